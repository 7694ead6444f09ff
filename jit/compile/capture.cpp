#include "jit/compile/capture.hpp"

#include <algorithm>
#include <set>
#include <unordered_set>

#include <kroton/ops/basic.hpp>
#include <kroton/substitute.hpp>

#include "lib/ir/graph.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/custom.hpp"
#include "lib/support/flat_map.hpp"

namespace kroton::jit {

std::vector<Expr> roots_of(const Signature& signature) {
  std::vector<Expr> roots = signature.outputs;
  for (const Update& u : signature.updates) roots.push_back(u.second);
  return roots;
}

namespace {

void check_inputs(const Signature& s) {
  std::set<const ir::Node*> given;
  for (std::size_t i = 0; i < s.inputs.size(); ++i) {
    const Expr& e = s.inputs[i];
    if (e.node()->op != &ops::input)
      support::fail<GraphError>(s.name,
                                {.place = ir::place_of(s.where, {&e, 1}),
                                 .hint = "inputs are made by scalar, vector, matrix or tensor; "
                                         "shared variables need not be listed"},
                                "input {} is no input but {}", i, e.label());
    if (!given.insert(e.node().get()).second)
      support::fail<GraphError>(
          s.name, {.place = ir::place_of(s.where, {&e, 1}), .hint = "list each input once"},
          "{} is given twice", e.label());
  }
  std::string missing;
  std::vector<Expr> named;
  for (const ir::Node* n : s.order) {
    if (n->op != &ops::input || given.contains(n)) continue;
    missing += fmt::format("{}{} {}", missing.empty() ? "" : ", ",
                           n->name.empty() ? "an unnamed input" : n->name, n->type.to_string());
    missing += fmt::format(" (from {})", support::describe(n->where));
  }
  if (!missing.empty())
    support::fail<GraphError>(
        s.name,
        {.place = support::describe(s.where),
         .hint = "add it to the inputs, or make it a constant or a shared variable"},
        "the outputs need an input that is not given: {}", missing);
}

/// Finds sizes that no argument of a call tells.
class SizeCheck {
public:
  explicit SizeCheck(const Signature& s) : s_(s) {}

  void run() {
    for (const Expr& e : s_.inputs) {
      scalars_.insert(e.node()->params.leaf());
      for (const Dim& d : e.shape())
        if (!d.is_static() && d.node()->kind == ir::DimKind::symbol) symbols_.insert(d);
    }
    for (const Expr& e : s_.inputs) visit(*e.node(), e.node()->type.shape);
    for (const ir::Node* n : s_.order) {
      visit(*n, n->type.shape);
      if (n->params.has_unknown_dims())
        ir::for_each_dim(n->params, [&](const Dim& d) { visit(*n, d); });
    }
    if (!unknown_.empty()) check_equal_ones();
  }

private:
  struct Unknown {
    Dim dim; ///< a symbol
    const ir::Node& needed_by;
  };

  void visit(const ir::Node& n, const ir::DimList& dims) {
    if (dims.empty() || !seen_.insert(dims.data())) return;
    for (const Dim& d : dims) visit(n, d);
  }

  void visit(const ir::Node& n, const Dim& d) {
    ir::dims::for_each_leaf(d, [&](const Dim& leaf) {
      if (leaf.node()->kind == ir::DimKind::scalar) {
        if (!scalars_.contains(leaf.node()->leaf.get()))
          refuse(n,
                 fmt::format("the value of {}", leaf.node()->name.empty()
                                                    ? "a scalar input without a name"
                                                    : leaf.node()->name),
                 "add it to the inputs, or write a number in its place");
      } else if (!symbols_.contains(leaf)) {
        unknown_.push_back({leaf, n});
      }
    });
  }

  /// Lets those pass that some op requires to be a number, or a dim that an input has.
  void check_equal_ones() {
    const ir::Graph graph = ir::Graph::capture(roots_of(s_), ir::Graph::Unify::required);
    Dims known;
    for (const Dim& d : symbols_) known.insert(graph.canonical(d));
    for (const Unknown& u : unknown_) {
      bool is_known = true;
      ir::dims::for_each_leaf(graph.canonical(u.dim), [&](const Dim& leaf) {
        is_known = is_known && (known.contains(leaf) || leaf.node()->kind == ir::DimKind::scalar);
      });
      if (is_known) continue;
      const ir::DimNode& symbol = *u.dim.node();
      if (!symbol.origin.empty())
        refuse(u.needed_by, fmt::format("the size of {}", symbol.origin),
               "add that input, or take the size from one that is given: x.dim(axis), "
               "x.shape()[axis]");
      if (symbol.name.empty())
        refuse(u.needed_by, "the size of a dim() without a name",
               "write a number, or the dim of an input's axis: x.shape()[axis]");
      refuse(
          u.needed_by, fmt::format("the size {}", symbol.name),
          fmt::format("write a number, or make {} alone the dim of an input's axis", symbol.name));
    }
  }

  [[noreturn]] void refuse(const ir::Node& n, const std::string& what, std::string hint) const {
    const std::string label =
        n.name.empty() ? std::string(n.op->name) : fmt::format("{} {}", n.op->name, n.name);
    support::fail<GraphError>(s_.name,
                              {.place = fmt::format("{}; {} from {}", support::describe(s_.where),
                                                    label, support::describe(n.where)),
                               .hint = std::move(hint)},
                              "{} {} needs {}, which no input gives", label, n.type.to_string(),
                              what);
  }

  using Dims = std::unordered_set<Dim, ir::dims::Hash, ir::dims::Same>;

  const Signature& s_;
  Dims symbols_;                  ///< of the inputs' axes
  std::set<const void*> scalars_; ///< the inputs' leaves
  support::FlatSet<const Dim*> seen_;
  std::vector<Unknown> unknown_;
};

void check_update(const Signature& s, const Update& u) {
  const auto& [variable, value] = u;
  for (const Expr* e : {static_cast<const Expr*>(&variable), &value})
    detail::require_given(*e, s.name.c_str(), s.where);
  const std::vector<Expr> both{variable, value};
  if (value.dtype() != variable.dtype())
    support::fail<TypeError>(
        s.name,
        {.place = ir::place_of(s.where, both),
         .hint = fmt::format("cast(value, DType::{})", to_string(variable.dtype()))},
        "the update of {} gives {}", variable.label(), value.label());
  bool fits = value.rank() == variable.rank();
  for (std::size_t i = 0; fits && i < value.shape().size(); ++i)
    fits = !value.shape()[i].is_static() || value.shape()[i].value() == variable.shape()[i].value();
  if (!fits)
    support::fail<ShapeError>(
        s.name, {.place = ir::place_of(s.where, both), .hint = "a shared variable keeps its shape"},
        "the update of {} gives {}", variable.label(), value.label());
}

/// Those of random streams that are not updated otherwise; whether there are any.
bool add_steps(Signature& s, std::set<const ir::SharedState*>& updated) {
  const auto state_of = [](const ir::Node& n) {
    return std::const_pointer_cast<ir::SharedState>(n.params.as<ops::SharedParams>().state);
  };
  const auto has_step = [&](const ir::Node* n) {
    return n->op == &ops::shared && state_of(*n)->step != nullptr;
  };
  if (std::ranges::none_of(s.order, has_step)) return false;
  const std::size_t before = s.updates.size();
  const std::vector<Expr> roots = roots_of(s);
  for (const Expr* e : ir::topological_handles(roots)) {
    if (!has_step(e->node().get())) continue;
    const auto state = state_of(*e->node());
    if (!updated.insert(state.get()).second) continue;
    const Operand step(Expr(state->step), state->where);
    s.updates.emplace_back(Shared(*e, state), Operand(*e, state->where) + step);
  }
  return s.updates.size() > before;
}

/// Takes gradients of the user's own away, which no compiled function has.
void drop_marks(Signature& s, std::vector<Update>& updates) {
  std::vector<Expr> all = s.outputs;
  for (const Update& u : updates)
    if (u.second.node()) all.push_back(u.second);
  if (all.size() != s.outputs.size() + updates.size()) return; // which is told later
  all = ops::without_custom_gradients(all);
  for (std::size_t i = 0; i < updates.size(); ++i) updates[i].second = all[s.outputs.size() + i];
  all.resize(s.outputs.size());
  s.outputs = std::move(all);
}

/// Puts what the givens say into outputs and new values.
void put_givens(Signature& s, std::vector<Update>& updates, const Options& options) {
  std::vector<Expr> all = s.outputs;
  for (const Update& u : updates) {
    detail::require_given(u.second, s.name.c_str(), s.where);
    all.push_back(u.second);
  }
  all = substitute(all, options.givens, s.where);
  for (std::size_t i = 0; i < updates.size(); ++i) updates[i].second = all[s.outputs.size() + i];
  all.resize(s.outputs.size());
  s.outputs = std::move(all);
}

} // namespace

Signature make_signature(std::vector<Expr> inputs, std::vector<Expr> outputs,
                         const Options& options, Location where) {
  Signature s{options.name, where, std::move(inputs), std::move(outputs), {}};
  std::vector<Update> updates = options.updates;
  for (const std::vector<Expr>* given : {&s.inputs, &s.outputs})
    for (const Expr& e : *given) detail::require_given(e, s.name.c_str(), where);
  if (!options.givens.empty()) put_givens(s, updates, options);
  drop_marks(s, updates);
  std::set<const ir::SharedState*> updated;
  for (const Update& u : updates) {
    check_update(s, u);
    if (!updated.insert(u.first.state().get()).second)
      support::fail<GraphError>(s.name,
                                {.place = ir::place_of(where, std::vector<Expr>{u.first}),
                                 .hint = "combine the two into one new value"},
                                "{} is updated twice", u.first.label());
    // A new value whose size is only known at run time must turn out to be the variable's.
    Expr value = u.second;
    if (!ir::dims::same(value.shape(), u.first.shape())) {
      std::vector<ir::Constraint> fits;
      for (std::size_t i = 0; i < value.shape().size(); ++i)
        fits.push_back(
            {u.first.shape()[i], value.shape()[i],
             fmt::format("the update of {} gives {}, which has {} on axis {}", u.first.label(),
                         value.label(), value.shape()[i].to_string(), i),
             false, "a shared variable keeps its shape", s.name});
      value = ir::make(ops::broadcast_to, {value}, ops::ShapeParams{u.first.node()->type.shape},
                       value.where(), std::move(fits));
    }
    s.updates.emplace_back(u.first, std::move(value));
  }
  s.order = ir::topological_order(roots_of(s));
  check_inputs(s);
  if (add_steps(s, updated)) s.order = ir::topological_order(roots_of(s));
  SizeCheck(s).run();
  return s;
}

} // namespace kroton::jit
