/// Reverse mode: one walk from the cost to `wrt`, asking each op's row for its contributions.
#include "lib/grad/reverse.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include <kroton/grad.hpp>

#include "lib/grad/cotangent.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/parts.hpp"
#include "lib/ops/substitute.hpp"
#include "lib/rewrite/pipeline.hpp"

namespace kroton {
namespace reverse {
namespace {

using ir::Node;

/// The walk from expressions to the nodes that gradients are wanted of.
class Reverse {
public:
  Reverse(std::span<const Start> starts, const std::vector<Expr>& wrt, Limits limits,
          Location where) {
    for (const Expr& v : wrt) targets_.insert(v.node().get());
    for (const Expr& e : limits.constants) constants_.insert(e.node().get());
    std::vector<Expr> roots;
    for (const Start& s : starts) roots.push_back(s.of);
    order_ = ir::topological_order(roots);
    for (const Node* n : order_)
      if (targets_.contains(n) || has_needed_input(*n)) is_needed_.insert(n);
    for (const Expr& root : roots) handles_.emplace(root.node().get(), root);
    for (const Node* n : order_)
      for (const Expr& i : n->inputs) handles_.emplace(i.node().get(), i);
    for (const Start& s : starts)
      if (is_needed(s.of)) gradients_[s.of.node().get()].push_back({{.value = s.gradient}, where});
    for (const Expr& e : limits.known) known_.insert(e.node().get());
  }

  void run() {
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      const Node& n = **it;
      if (!n.type.is_array()) {
        if (const auto found = of_parts_.find(&n); found != of_parts_.end()) {
          pass_on(n, parts_of(n), found->second);
          of_parts_.erase(&n);
        }
        continue;
      }
      const auto found = gradients_.find(&n);
      if (found == gradients_.end()) continue;
      const Cotangent g = sum_of(found->second);
      if (targets_.contains(&n)) found->second = {{g, n.where}};
      if (n.inputs.empty() || !has_needed_input(n)) continue;
      if (n.op->is(ir::Kind::part))
        keep_part(n, g);
      else
        pass_on(n, {&handles_.at(&n), 1}, {&g, 1});
      if (!targets_.contains(&n)) gradients_.erase(&n);
    }
  }

  /// Whether one of `wrt` is reached through it.
  bool is_needed(const Expr& e) const { return is_needed_.contains(e.node().get()); }
  /// Of one of `wrt`; null if nothing depends on it.
  const Cotangent* gradient_of(const Expr& e) const {
    const auto found = gradients_.find(e.node().get());
    return found == gradients_.end() ? nullptr : &found->second.front().gradient;
  }

private:
  bool has_needed_input(const Node& n) const {
    return !constants_.contains(&n) &&
           std::ranges::any_of(n.inputs, [&](const Expr& i) { return is_needed(i); });
  }

  /// The parts of a node with several results.
  std::vector<Expr> parts_of(const Node& n) const {
    std::vector<Expr> parts;
    for (std::size_t k = 0; k < n.type.parts->size(); ++k)
      parts.push_back(ops::part_at(handles_.at(&n), k, n.where));
    return parts;
  }

  /// Keeps the gradient of a part until those of all the node's parts are known.
  void keep_part(const Node& part, const Cotangent& g) {
    const Node* of = part.inputs[0].node().get();
    const std::size_t k = ir::part_of(part);
    auto& parts = of_parts_[of];
    parts.resize(of->type.parts->size(), Cotangent{.value = Expr(nullptr)});
    parts[k] = parts[k].value.node() ? sum_of({{parts[k], part.where}, {g, part.where}}) : g;
  }

  /// Adds what the gradients of a node, or of its parts, give to those of its inputs.
  void pass_on(const Node& n, std::span<const Expr> outputs, std::span<const Cotangent> given) {
    if (!n.op->gradient)
      support::fail<UnsupportedError>("grad",
                                      {.place = ir::place_of(n.where, n.inputs),
                                       .hint = "stop_gradient(…) treats it as a constant"},
                                      "{} has no gradient", handles_.at(&n).label());
    std::vector<Cotangent> parts = pull_back(n, outputs, given);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const Expr& input = n.inputs[i];
      if (!parts[i].value.node() || !is_needed(input) || known_.contains(input.node().get()))
        continue;
      gradients_[input.node().get()].push_back({std::move(parts[i]), n.where});
    }
  }

  std::vector<const Node*> order_;
  std::unordered_set<const Node*> targets_, is_needed_, constants_, known_;
  std::unordered_map<const Node*, Expr> handles_; ///< rows are given expressions
  /// What each user of a node that has been walked gives it; their sum alone once a node of `wrt`
  /// has been walked itself.
  std::unordered_map<const Node*, std::vector<Contribution>> gradients_;
  std::unordered_map<const Node*, std::vector<Cotangent>> of_parts_; ///< several results each
};

/// True for a gradient that is still to be broadcast (of one constant, say). Dims that are merely
/// written differently are equal: ops have required it.
bool is_smaller(const Expr& g, const Expr& v) {
  if (g.rank() != v.rank()) return true;
  for (std::size_t i = 0; i < g.shape().size(); ++i)
    if (g.shape()[i].is(1) && !v.shape()[i].is(1)) return true;
  return false;
}

} // namespace

std::vector<Expr> pulled_back(std::span<const Start> starts, const std::vector<Expr>& wrt,
                              Limits limits, Location where, std::vector<bool>* reached) {
  Reverse walk(starts, wrt, limits, where);
  walk.run();
  std::vector<Expr> result;
  for (const Expr& v : wrt) {
    const Cotangent* found = walk.gradient_of(v);
    result.push_back(found ? in_shape_of(selected(*found, v.where()), v, where) : Expr());
    if (reached) reached->push_back(walk.is_needed(v));
  }
  return result;
}

/// Rewriting may neither replace the nodes of `opaque` nor look into them, so leaves stand in for
/// those that are computed.
std::vector<Expr> stabilized(const std::vector<Expr>& all, const std::vector<Expr>& opaque) {
  ops::Replacements to_leaf, back;
  for (const Expr& v : opaque) {
    if (v.node()->op->is(ir::Kind::leaf) || to_leaf.contains(v.node().get())) continue;
    const Expr leaf = ops::fresh_leaf(v);
    to_leaf.emplace(v.node().get(), leaf);
    back.emplace(leaf.node().get(), v);
  }
  const std::vector<Expr> over_leaves = to_leaf.empty() ? all : ops::replaced(all, to_leaf);
  ir::Graph graph = ir::Graph::capture(over_leaves, ir::Graph::Unify::nothing);
  // Equal nodes become one, so that what they read of one array is read of one node.
  const bool has_equal_nodes = graph.order().size() < ir::topological_order(over_leaves).size();
  if (!rewrite::stabilize(graph) && !has_equal_nodes) return all;
  std::vector<Expr> stable = graph.to_exprs(graph.outputs());
  return back.empty() ? stable : ops::replaced(stable, back);
}

Expr in_shape_of(const Expr& g, const Expr& like, Location where) {
  return is_smaller(g, like)
             ? ir::make(ops::broadcast_to, {g}, ops::ShapeParams{like.node()->type.shape}, where)
             : g;
}

Expr zeros_like(const Expr& e, Location where) {
  return in_shape_of(ops::scalar_constant(e.dtype(), 0, where), e, where);
}

void check_differentiable(std::string_view op, const Expr& e, Location where) {
  if (!is_float(e.dtype()))
    support::fail<TypeError>(
        op,
        {.place = ir::place_of(where, {&e, 1}),
         .hint =
             "only floating expressions have gradients: cast it to f32 or f64 before it is used"},
        "cannot differentiate with respect to {}", e.label());
}

Expr fitted(std::string_view op, std::string_view what, const Expr& given, const Expr& of,
            Location where) {
  const std::vector<Expr> both{of, given};
  if (given.dtype() != of.dtype())
    support::fail<TypeError>(op,
                             {.place = ir::place_of(where, both),
                              .hint = fmt::format("cast it to {}", kroton::to_string(of.dtype()))},
                             "the {} of {} has its dtype, got {}", what, of.label(), given.label());
  const std::vector<Dim>&own = of.shape(), &other = given.shape();
  const std::size_t missing = own.size() - std::min(own.size(), other.size());
  bool fits = other.size() <= own.size();
  for (std::size_t i = 0; fits && i < other.size(); ++i) {
    const Dim &a = own[missing + i], &b = other[i];
    fits = b.is(1) || !a.is_static() || !b.is_static() || a.value() == b.value();
  }
  if (!fits)
    support::fail<ShapeError>(op,
                              {.place = ir::place_of(where, both),
                               .hint = "give an expression of its shape, or one that broadcasts"},
                              "the {} of {} has its shape, got {}", what, of.label(),
                              given.label());
  if (ir::dims::same(own, other)) return given;
  return ir::make(ops::broadcast_to, {given}, ops::ShapeParams{of.node()->type.shape}, where);
}

} // namespace reverse

namespace {

[[noreturn]] void refuse_disconnected(const Expr& cost, const Expr& v, bool is_stopped,
                                      Location where) {
  const std::string hint =
      fmt::format("{}, or ask for zeros: {{.disconnected = Disconnected::zero}}",
                  is_stopped ? "no gradient passes through stop_gradient, consider_constant, "
                               "integers, comparisons or positions: leave it out of wrt"
                             : "leave it out of wrt, or use it in the cost");
  const support::Context place{.place = ir::place_of(where, {&v, 1}), .hint = hint};
  if (!cost.node())
    support::fail<GraphError>("grad", place, "no expression with a known gradient depends on {}",
                              v.label());
  support::fail<GraphError>("grad", place, "the cost {} does not depend on {}", cost.label(),
                            v.label());
}

void check_cost(const Expr& cost, Location where) {
  detail::require_given(cost, "grad", where);
  if (!is_float(cost.dtype()))
    support::fail<TypeError>(
        "grad", {.place = ir::place_of(where, {&cost, 1}), .hint = "cast it to f32 or f64"},
        "the cost must be floating, got {}", cost.label());
  if (cost.rank() != 0)
    support::fail<ShapeError>(
        "grad",
        {.place = ir::place_of(where, {&cost, 1}),
         .hint = "sum(cost) or mean(cost) first; vjp takes a gradient of its shape to start from"},
        "the cost must be a scalar, got {}", cost.label());
}

void check_wrt(const char* op, const std::vector<Expr>& wrt, Location where) {
  for (const Expr& v : wrt) detail::require_given(v, op, where);
  for (const Expr& v : wrt) reverse::check_differentiable(op, v, where);
}

} // namespace

std::vector<Expr> grad(const Expr& cost, const std::vector<Expr>& wrt, const GradOptions& options,
                       Location where) {
  const bool has_cost = cost.node() || options.known_grads.empty();
  if (has_cost) check_cost(cost, where);
  check_wrt("grad", wrt, where);
  for (const Expr& e : options.consider_constant) detail::require_given(e, "grad", where);
  std::vector<Expr> known, opaque(wrt);
  std::vector<reverse::Start> starts;
  if (has_cost) starts.push_back({cost, ops::scalar_constant(cost.dtype(), 1, where)});
  for (const auto& [of, gradient] : options.known_grads) {
    detail::require_given(of, "grad", where);
    detail::require_given(gradient, "grad", where);
    reverse::check_differentiable("grad", of, where);
    const Expr given = reverse::fitted("grad", "known gradient", gradient, of, where);
    if (std::ranges::any_of(known, [&](const Expr& e) { return e.is(of); }))
      support::fail<GraphError>(
          "grad", {.place = ir::place_of(where, {&of, 1}), .hint = "give their sum once"},
          "two known gradients of {}", of.label());
    if (has_cost && of.is(cost)) starts.clear();
    starts.push_back({of, given});
    known.push_back(of);
  }
  opaque.insert(opaque.end(), known.begin(), known.end());
  opaque.insert(opaque.end(), options.consider_constant.begin(), options.consider_constant.end());
  const bool is_from_cost =
      has_cost && std::ranges::none_of(known, [&](const Expr& e) { return e.is(cost); });
  if (is_from_cost) starts[0].of = reverse::stabilized({cost}, opaque)[0];
  std::vector<bool> reached;
  std::vector<Expr> result = reverse::pulled_back(
      starts, wrt, {.constants = options.consider_constant, .known = known}, where, &reached);
  for (std::size_t i = 0; i < wrt.size(); ++i) {
    if (result[i].node()) continue;
    if (options.disconnected == Disconnected::error)
      refuse_disconnected(cost, wrt[i], reached[i], where);
    if (options.disconnected == Disconnected::zero) result[i] = reverse::zeros_like(wrt[i], where);
  }
  return result;
}

Expr grad(const Expr& cost, const Expr& wrt, const GradOptions& options, Location where) {
  return grad(cost, std::vector{wrt}, options, where)[0];
}

ValueAndGrad value_and_grad(const Expr& cost, const std::vector<Expr>& wrt,
                            const GradOptions& options, Location where) {
  return {cost, grad(cost, wrt, options, where)};
}

std::vector<Expr> vjp(const std::vector<Expr>& outputs, const std::vector<Expr>& wrt,
                      const std::vector<Expr>& cotangents, Location where) {
  check_wrt("vjp", wrt, where);
  if (outputs.size() != cotangents.size())
    support::fail<GraphError>(
        "vjp", {.place = ir::place_of(where, outputs), .hint = "give one for each output"},
        "{} cotangents for {} outputs", cotangents.size(), outputs.size());
  std::vector<Expr> given;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    detail::require_given(outputs[i], "vjp", where);
    detail::require_given(cotangents[i], "vjp", where);
    given.push_back(reverse::fitted("vjp", "cotangent", cotangents[i], outputs[i], where));
    if (!is_float(outputs[i].dtype()))
      support::fail<TypeError>(
          "vjp", {.place = ir::place_of(where, {&outputs[i], 1}), .hint = "cast it to f32 or f64"},
          "outputs must be floating, got {}", outputs[i].label());
  }
  const std::vector<Expr> stable = reverse::stabilized(outputs, wrt);
  std::vector<reverse::Start> starts;
  for (std::size_t i = 0; i < outputs.size(); ++i) starts.push_back({stable[i], given[i]});
  std::vector<Expr> result = reverse::pulled_back(starts, wrt, {}, where);
  for (std::size_t i = 0; i < wrt.size(); ++i)
    if (!result[i].node()) result[i] = reverse::zeros_like(wrt[i], where);
  return result;
}

Expr vjp(const Expr& output, const Expr& wrt, const Expr& cotangent, Location where) {
  return vjp(std::vector{output}, std::vector{wrt}, std::vector{cotangent}, where)[0];
}

} // namespace kroton
