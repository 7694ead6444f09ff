/// Replacing nodes of expressions, and `kroton::substitute`.
#include "lib/ops/substitute.hpp"

#include <algorithm>

#include <kroton/substitute.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"

namespace kroton {
namespace ops {
namespace {

/// Rebuilds what is above replaced nodes. `params_of` gives the parameters of a node that is kept.
template <class F>
std::vector<Expr> rebuilt(std::span<const Expr> roots, const Replacements& by, F params_of) {
  Replacements made(by);
  // A replaced node is not looked into: below it, nothing changes.
  std::vector<std::pair<Expr, bool>> stack;
  for (const Expr& root : roots) {
    stack.emplace_back(root, false);
    while (!stack.empty()) {
      const auto [at, inputs_done] = stack.back();
      stack.pop_back();
      const ir::Node* n = at.node().get();
      if (made.contains(n)) continue;
      if (!inputs_done) {
        stack.emplace_back(at, true);
        for (const Expr& i : n->inputs) stack.emplace_back(i, false);
        continue;
      }
      std::vector<Expr> inputs;
      bool has_changed = false;
      for (const Expr& i : n->inputs) {
        inputs.push_back(made.at(i.node().get()));
        has_changed = has_changed || !inputs.back().is(i);
      }
      ir::Params params = params_of(*n);
      has_changed = has_changed || !same(params, n->params);
      made.emplace(n, has_changed ? ir::make(*n->op, std::move(inputs), std::move(params), n->where)
                                  : at);
    }
  }
  std::vector<Expr> result;
  for (const Expr& root : roots) result.push_back(made.at(root.node().get()));
  return result;
}

} // namespace

std::vector<Expr> replaced(std::span<const Expr> roots, const Replacements& by) {
  return rebuilt(roots, by, [](const ir::Node& n) { return n.params; });
}
Expr replaced(const Expr& root, const Replacements& by) { return replaced({&root, 1}, by)[0]; }

Expr fresh_leaf(const ir::Type& type, Location where) {
  auto node = std::make_shared<ir::Node>();
  node->op = &input;
  node->type = type;
  node->params = InputParams{type.dtype, type.shape, std::make_shared<const ir::InputLeaf>()};
  node->where = where;
  return Expr(std::move(node));
}
Expr fresh_leaf(const Expr& like) { return fresh_leaf(like.node()->type, like.where()); }

namespace {

using DimMap = std::unordered_map<Dim, Dim, ir::dims::Hash, ir::dims::Same>;

/// Puts dims in the place of symbols and of the values of scalar inputs.
class DimEditor : public ir::FieldEditor {
public:
  explicit DimEditor(const DimMap& by) : by_(by) {}

  void edit(bool&) override {}
  void edit(std::int64_t&) override {}
  void edit(ir::Ints&) override {}
  void edit(DType&) override {}
  void edit(ir::Scalar&) override {}
  void edit(ir::Draw&) override {}
  void edit(Dim& value) override { value = changed(value); }
  void edit(ir::DimList& value) override {
    std::vector<Dim> dims = value;
    for (Dim& d : dims) d = changed(d);
    value = std::move(dims);
  }
  void edit(ir::InputIdentity&) override {}
  void edit(ir::SharedIdentity&) override {}
  void edit(ir::ArrayIdentity&) override {}

private:
  Dim changed(const Dim& d) const {
    return ir::dims::substitute(d, [&](const Dim& leaf) {
      const auto found = by_.find(leaf);
      return found == by_.end() ? leaf : found->second;
    });
  }

  const DimMap& by_;
};

void check_fits(const Expr& from, const Expr& to, Location where) {
  const std::vector<Expr> both{from, to};
  detail::require_given(from, "substitute", where);
  detail::require_given(to, "substitute", where);
  if (from.dtype() != to.dtype())
    support::fail<TypeError>(
        "substitute",
        {.place = ir::place_of(where, both),
         .hint = fmt::format("cast it to {}", kroton::to_string(from.dtype()))},
        "{} cannot take the place of {}", to.label(), from.label());
  bool fits = from.rank() == to.rank();
  for (std::size_t i = 0; fits && i < from.shape().size(); ++i) {
    const Dim &a = from.shape()[i], &b = to.shape()[i];
    fits = !a.is_static() || !b.is_static() || a.value() == b.value();
  }
  if (!fits)
    support::fail<ShapeError>("substitute",
                              {.place = ir::place_of(where, both),
                               .hint = "what takes an expression's place has its shape"},
                              "{} cannot take the place of {}", to.label(), from.label());
}

/// The values of scalar inputs that sizes in `all` are made of.
DimMap scalars_in(const std::vector<Expr>& all) {
  DimMap scalars;
  for (const Expr* e : ir::topological_handles(all))
    ir::for_each_dim(e->node()->params, [&](const Dim& d) {
      ir::dims::for_each_leaf(d, [&](const Dim& leaf) {
        if (leaf.node()->kind == ir::DimKind::scalar) scalars.emplace(leaf, leaf);
      });
    });
  return scalars;
}

/// Adds what becomes of the sizes that an input brought when `to` takes its place.
void add_dims(DimMap& dims, const DimMap& scalars, const Expr& from, const Expr& to,
              Location where) {
  const ir::Node& n = *from.node();
  if (n.op != &input) return;
  for (std::size_t i = 0; i < from.shape().size(); ++i) {
    const Dim &own = from.shape()[i], &other = to.shape()[i];
    if (!own.is_static() && own.node()->kind == ir::DimKind::symbol && !ir::dims::same(own, other))
      dims.emplace(own, other);
  }
  const Dim value = ir::dims::scalar(n.params.as<InputParams>().leaf, n.name);
  if (scalars.contains(value)) dims.emplace(value, size_of("substitute", to, where));
}

} // namespace
} // namespace ops

std::vector<Expr> substitute(const std::vector<Expr>& all, const Substitutions& by,
                             Location where) {
  ops::Replacements replacements;
  ops::DimMap dims;
  for (const auto& [from, to] : by) {
    ops::check_fits(from, to, where);
    const auto [at, is_new] = replacements.emplace(from.node().get(), to);
    if (!is_new && !at->second.is(to)) {
      const std::vector<Expr> named{from, at->second, to};
      support::fail<GraphError>(
          "substitute", {.place = ir::place_of(where, named), .hint = "name each expression once"},
          "{} is to become both {} and {}", from.label(), at->second.label(), to.label());
    }
  }
  for (const Expr& e : all) detail::require_given(e, "substitute", where);
  const ops::DimMap scalars = ops::scalars_in(all);
  for (const auto& [from, to] : by) ops::add_dims(dims, scalars, from, to, where);
  ops::DimEditor editor(dims);
  return ops::rebuilt(all, replacements, [&](const ir::Node& n) {
    const bool is_kept = dims.empty() || n.op->is(ir::Kind::leaf) || !n.params.has_unknown_dims();
    return is_kept ? n.params : n.params.edited(editor);
  });
}

Expr substitute(const Expr& e, const Substitutions& by, Location where) {
  return substitute(std::vector{e}, by, where)[0];
}

} // namespace kroton
