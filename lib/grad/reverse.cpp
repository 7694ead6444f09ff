/// Reverse mode: one walk from the cost to `wrt`, asking each op's row for its contributions.
#include <kroton/grad.hpp>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "lib/grad/cotangent.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/parts.hpp"
#include "lib/rewrite/pipeline.hpp"

namespace kroton {
namespace {

using ir::Node;
using reverse::Contribution;
using reverse::Cotangent;
using Substitution = std::unordered_map<const Node*, Expr>;

/// `e` with nodes replaced; nodes that do not depend on any of them stay the same.
Expr substitute(const Expr& e, const Substitution& by) {
  std::unordered_map<const Node*, Expr> made(by.begin(), by.end());
  // A replaced node is not looked into: below it, nothing changes.
  std::vector<std::pair<Expr, bool>> stack{{e, false}};
  while (!stack.empty()) {
    const auto [at, inputs_done] = stack.back();
    stack.pop_back();
    const Node* n = at.node().get();
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
    made.emplace(n, has_changed ? ir::make(*n->op, std::move(inputs), n->params, n->where) : at);
  }
  return made.at(e.node().get());
}

Expr fresh_leaf(const Expr& like) {
  auto node = std::make_shared<Node>();
  node->op = &ops::input;
  node->type = like.node()->type;
  node->params =
      ops::InputParams{node->type.dtype, node->type.shape, std::make_shared<const ir::InputLeaf>()};
  node->where = like.where();
  return Expr(std::move(node));
}

/// The cost in its numerically stable form, over the very nodes of `wrt`: rewriting may neither
/// replace them nor look into them, so leaves stand in for those that are computed.
Expr stabilized(const Expr& cost, const std::vector<Expr>& wrt) {
  Substitution to_leaf, back;
  for (const Expr& v : wrt) {
    if (v.node()->op->is(ir::Kind::leaf) || to_leaf.contains(v.node().get())) continue;
    const Expr leaf = fresh_leaf(v);
    to_leaf.emplace(v.node().get(), leaf);
    back.emplace(leaf.node().get(), v);
  }
  const Expr opaque = to_leaf.empty() ? cost : substitute(cost, to_leaf);
  ir::Graph graph = ir::Graph::capture({&opaque, 1}, ir::Graph::Unify::nothing);
  // Equal nodes become one, so that what they read of one array is read of one node.
  const bool has_equal_nodes = graph.order().size() < ir::topological_order({&opaque, 1}).size();
  if (!rewrite::stabilize(graph) && !has_equal_nodes) return cost;
  const Expr stable = graph.to_exprs(graph.outputs())[0];
  return back.empty() ? stable : substitute(stable, back);
}

/// True for a gradient that is still to be broadcast (of one constant, say). Dims that are merely
/// written differently are equal: ops have required it.
bool is_smaller(const Expr& g, const Expr& v) {
  if (g.rank() != v.rank()) return true;
  for (std::size_t i = 0; i < g.shape().size(); ++i)
    if (g.shape()[i].is(1) && !v.shape()[i].is(1)) return true;
  return false;
}

[[noreturn]] void disconnected(const Expr& cost, const Expr& v, bool is_stopped, Location where) {
  const std::vector<Expr> named{v};
  support::fail<GraphError>(
      "grad",
      {.place = ir::place_of(where, named),
       .hint = is_stopped
                   ? "no gradient passes through stop_gradient, integers, comparisons or positions"
                   : "leave it out of wrt, or use it in the cost"},
      "the cost {} does not depend on {}", cost.label(), v.label());
}

void check_arguments(const Expr& cost, const std::vector<Expr>& wrt, Location where) {
  const auto refuse_dtype = [&](const Expr& e, const char* hint, std::string_view what) {
    support::fail<TypeError>("grad", {.place = ir::place_of(where, {&e, 1}), .hint = hint}, "{} {}",
                             what, e.label());
  };
  detail::require_given(cost, "grad", where);
  for (const Expr& v : wrt) detail::require_given(v, "grad", where);
  if (!is_float(cost.dtype()))
    refuse_dtype(cost, "cast it to f32 or f64", "the cost must be floating, got");
  if (cost.rank() != 0)
    support::fail<ShapeError>(
        "grad", {.place = ir::place_of(where, {&cost, 1}), .hint = "sum(cost) or mean(cost) first"},
        "the cost must be a scalar, got {}", cost.label());
  for (const Expr& v : wrt)
    if (!is_float(v.dtype()))
      refuse_dtype(
          v, "only floating expressions have gradients: cast it to f32 or f64 before it is used",
          "cannot differentiate with respect to");
}

/// The walk from a cost to the nodes that gradients are wanted of.
class Reverse {
public:
  /// Gradients get the dtype of `cost` to begin with.
  Reverse(const Expr& cost, const std::vector<Expr>& wrt, Location where)
      : order_(ir::topological_order({&cost, 1})) {
    for (const Expr& v : wrt) targets_.insert(v.node().get());
    for (const Node* n : order_)
      if (targets_.contains(n) || has_needed_input(*n)) is_needed_.insert(n);
    handles_.emplace(cost.node().get(), cost);
    for (const Node* n : order_)
      for (const Expr& i : n->inputs) handles_.emplace(i.node().get(), i);
    if (is_needed(cost))
      gradients_[cost.node().get()] = {
          {{.value = ops::scalar_constant(cost.dtype(), 1, where)}, where}};
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
      const Cotangent g = reverse::sum_of(found->second);
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
  /// Of one of `wrt`; null if the cost does not depend on it.
  const Cotangent* gradient_of(const Expr& e) const {
    const auto found = gradients_.find(e.node().get());
    return found == gradients_.end() ? nullptr : &found->second.front().gradient;
  }

private:
  bool has_needed_input(const Node& n) const {
    return std::ranges::any_of(n.inputs, [&](const Expr& i) { return is_needed(i); });
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
    parts[k] =
        parts[k].value.node() ? reverse::sum_of({{parts[k], part.where}, {g, part.where}}) : g;
  }

  /// Adds what the gradients of a node, or of its parts, give to those of its inputs.
  void pass_on(const Node& n, std::span<const Expr> outputs, std::span<const Cotangent> given) {
    if (!n.op->gradient)
      support::fail<UnsupportedError>("grad",
                                      {.place = ir::place_of(n.where, n.inputs),
                                       .hint = "stop_gradient(…) treats it as a constant"},
                                      "{} has no gradient", handles_.at(&n).label());
    std::vector<Cotangent> parts = reverse::pull_back(n, outputs, given);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const Expr& input = n.inputs[i];
      if (!parts[i].value.node() || !is_needed(input)) continue;
      gradients_[input.node().get()].push_back({std::move(parts[i]), n.where});
    }
  }

  const std::vector<const Node*> order_;
  std::unordered_set<const Node*> targets_, is_needed_;
  std::unordered_map<const Node*, Expr> handles_; ///< rows are given expressions
  /// What each user of a node that has been walked gives it; their sum alone once a node of `wrt`
  /// has been walked itself.
  std::unordered_map<const Node*, std::vector<Contribution>> gradients_;
  std::unordered_map<const Node*, std::vector<Cotangent>> of_parts_; ///< several results each
};

} // namespace

std::vector<Expr> grad(const Expr& cost, const std::vector<Expr>& wrt, Location where) {
  check_arguments(cost, wrt, where);
  Reverse walk(stabilized(cost, wrt), wrt, where);
  walk.run();
  std::vector<Expr> result;
  for (const Expr& v : wrt) {
    const Cotangent* found = walk.gradient_of(v);
    if (!found) disconnected(cost, v, walk.is_needed(v), where);
    const Expr g = reverse::selected(*found, v.where());
    result.push_back(is_smaller(g, v) ? ir::make(ops::broadcast_to, {g},
                                                 ops::ShapeParams{v.node()->type.shape}, where)
                                      : g);
  }
  return result;
}

Expr grad(const Expr& cost, const Expr& wrt, Location where) {
  return grad(cost, std::vector{wrt}, where)[0];
}

} // namespace kroton
