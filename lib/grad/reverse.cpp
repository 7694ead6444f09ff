/// Reverse mode: one walk from the cost to `wrt`, asking each op's row for its contributions.
#include <kroton/grad.hpp>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "lib/ops/build.hpp"
#include "lib/rewrite/pipeline.hpp"

namespace kroton {
namespace {

using ir::Node;
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
    made.emplace(n, has_changed ? ir::make(*n->op, std::move(inputs), n->attrs, n->where) : at);
  }
  return made.at(e.node().get());
}

Expr fresh_leaf(const Expr& like) {
  auto node = std::make_shared<Node>();
  node->op = &ops::input;
  node->type = like.node()->type;
  node->attrs = {.dims = node->type.shape,
                 .dtype = node->type.dtype,
                 .leaf = std::make_shared<ir::InputLeaf>()};
  node->where = like.where();
  return Expr(std::move(node));
}

/// The cost in its numerically stable form, over the very nodes of `wrt`: rewriting may neither
/// replace them nor look into them, so leaves stand in for those that are computed.
Expr stabilized(const Expr& cost, const std::vector<Expr>& wrt) {
  Substitution to_leaf, back;
  for (const Expr& v : wrt) {
    if (v.node()->op->has(ir::Trait::leaf) || to_leaf.contains(v.node().get())) continue;
    const Expr leaf = fresh_leaf(v);
    to_leaf.emplace(v.node().get(), leaf);
    back.emplace(leaf.node().get(), v);
  }
  const Expr opaque = to_leaf.empty() ? cost : substitute(cost, to_leaf);
  ir::Graph graph = ir::Graph::capture({&opaque, 1}, ir::Graph::Unify::nothing);
  if (!rewrite::stabilize(graph)) return cost;
  const Expr stable = graph.to_exprs(graph.outputs())[0];
  return back.empty() ? stable : substitute(stable, back);
}

/// Gives the nodes that a row has just built the place of the op it differentiates: messages and
/// comments then point at the user's line. What the row was handed keeps its own.
void relocate(const Expr& made, const ir::GradContext& c) {
  std::unordered_set<const Node*> seen{c.output.node().get(), c.grad.node().get()};
  for (const Expr& e : c.inputs) seen.insert(e.node().get());
  std::vector<const Node*> stack{made.node().get()};
  while (!stack.empty()) {
    const Node* n = stack.back();
    stack.pop_back();
    if (!seen.insert(n).second) continue;
    const_cast<Node*>(n)->where = c.where; // nobody else has seen it yet
    for (const Expr& e : n->inputs) stack.push_back(e.node().get());
  }
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

} // namespace

std::vector<Expr> grad(const Expr& cost, const std::vector<Expr>& wrt, Location where) {
  const std::vector<Expr> only_cost{cost};
  if (!is_float(cost.dtype()))
    support::fail<TypeError>(
        "grad", {.place = ir::place_of(where, only_cost), .hint = "cast it to f32 or f64"},
        "the cost must be floating, got {}", cost.label());
  if (cost.rank() != 0)
    support::fail<ShapeError>(
        "grad", {.place = ir::place_of(where, only_cost), .hint = "sum(cost) or mean(cost) first"},
        "the cost must be a scalar, got {}", cost.label());
  for (const Expr& v : wrt) {
    const std::vector<Expr> named{v};
    if (!is_float(v.dtype()))
      support::fail<TypeError>(
          "grad",
          {.place = ir::place_of(where, named),
           .hint =
               "only floating expressions have gradients: cast it to f32 or f64 before it is used"},
          "cannot differentiate with respect to {}", v.label());
  }

  const Expr stable = stabilized(cost, wrt);
  const auto order = ir::topological_order({&stable, 1});
  std::unordered_set<const Node*> targets, is_needed;
  for (const Expr& v : wrt) targets.insert(v.node().get());
  for (const Node* n : order)
    if (targets.contains(n) || std::ranges::any_of(n->inputs, [&](const Expr& i) {
          return is_needed.contains(i.node().get());
        }))
      is_needed.insert(n);

  // Handles for the nodes: rows are given expressions.
  std::unordered_map<const Node*, Expr> handles{{stable.node().get(), stable}};
  for (const Node* n : order)
    for (const Expr& i : n->inputs) handles.emplace(i.node().get(), i);

  std::unordered_map<const Node*, Expr> grads;
  if (is_needed.contains(stable.node().get()))
    grads.emplace(stable.node().get(), ops::scalar_constant(cost.dtype(), 1, where));
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const Node* n = *it;
    const auto found = grads.find(n);
    if (found == grads.end() || n->inputs.empty()) continue;
    if (std::ranges::none_of(n->inputs,
                             [&](const Expr& i) { return is_needed.contains(i.node().get()); }))
      continue;
    if (!n->op->gradient)
      support::fail<UnsupportedError>("grad",
                                      {.place = ir::place_of(n->where, n->inputs),
                                       .hint = "stop_gradient(…) treats it as a constant"},
                                      "{} has no gradient", handles.at(n).label());
    const Expr output = handles.at(n), g = found->second;
    const ir::GradContext context{n->inputs, n->attrs, output, g, n->where};
    const std::vector<Expr> contributions = n->op->gradient(context);
    KROTON_CHECK(contributions.size() == n->inputs.size(), "{} gives {} gradients for {} inputs",
                 n->op->name, contributions.size(), n->inputs.size());
    for (std::size_t i = 0; i < contributions.size(); ++i) {
      const Expr& input = n->inputs[i];
      if (!contributions[i].node() || !is_needed.contains(input.node().get())) continue;
      Expr part =
          ops::cast_to(ops::sum_to(contributions[i], input, n->where), input.dtype(), n->where);
      relocate(part, context);
      const auto so_far = grads.find(input.node().get());
      if (so_far != grads.end()) part = Operand(so_far->second, n->where) + Operand(part, n->where);
      grads.insert_or_assign(input.node().get(), std::move(part));
    }
    if (!targets.contains(n)) grads.erase(found->first);
  }

  std::vector<Expr> result;
  for (const Expr& v : wrt) {
    const auto it = grads.find(v.node().get());
    if (it == grads.end()) disconnected(cost, v, is_needed.contains(v.node().get()), where);
    result.push_back(is_smaller(it->second, v)
                         ? ir::make(ops::broadcast_to, {it->second}, {.dims = v.shape()}, where)
                         : it->second);
  }
  return result;
}

Expr grad(const Expr& cost, const Expr& wrt, Location where) {
  return grad(cost, std::vector{wrt}, where)[0];
}

} // namespace kroton
