/// Movement: compositions become one, identities go, and broadcasts that an elementwise user
/// does anyway are left to it. Exact.
#include <algorithm>

#include <kroton/ops/movement.hpp>

#include "lib/ir/dim_normal.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/movement.hpp"
#include "lib/rewrite/dsl.hpp"
#include "lib/rewrite/rules/rules.hpp"

namespace kroton::rewrite::rules {
namespace {

using namespace dsl;
namespace dims = ir::dims;

NodeId input_of(Site& s, NodeId id) { return s.node(id).inputs[0]; }

NodeId drop_identity(Site& s) {
  return dims::same(s.type(s["x"]).shape, s.type(s.root()).shape) ? s["x"] : ir::no_node;
}

const ir::Ints& order_of(const Site& s, NodeId transpose) {
  return s.node(transpose).params.as<ops::OrderParams>().order;
}

NodeId drop_identity_transpose(Site& s) {
  const ir::Ints& order = order_of(s, s.root());
  for (std::size_t i = 0; i < order.size(); ++i)
    if (order[i] != static_cast<std::int64_t>(i)) return ir::no_node;
  return s["x"];
}

NodeId compose_transposes(Site& s) {
  const ir::Ints &outer = order_of(s, s.root()), &inner = order_of(s, s["inner"]);
  ir::Ints order;
  for (std::int64_t axis : outer) order.push_back(inner[static_cast<std::size_t>(axis)]);
  return s.make(ops::transpose, {s["x"]}, ops::OrderParams{std::move(order)});
}

NodeId compose_reshapes(Site& s) { return s.make(ops::reshape, {s["x"]}, s.node(s.root()).params); }
NodeId compose_broadcasts(Site& s) {
  return s.make(ops::broadcast_to, {s["x"]}, s.node(s.root()).params);
}

/// A scalar looks the same under every shape.
NodeId move_broadcast_scalar(Site& s) {
  return s.type(s["x"]).rank() == 0 ? s.broadcast(s["x"], s.type(s.root()).shape) : ir::no_node;
}

/// What an elementwise op would broadcast by itself: behind a broadcast, or behind a reshape that
/// only puts dims of 1 in front; no_node otherwise.
NodeId behind_broadcast(const Site& s, NodeId id) {
  const ir::GraphNode& n = s.node(id);
  if (n.op == &ops::broadcast_to) return n.inputs[0];
  if (n.op != &ops::reshape) return ir::no_node;
  const auto &to = n.type.shape, &from = s.type(n.inputs[0]).shape;
  if (from.size() >= to.size()) return ir::no_node;
  const std::size_t added = to.size() - from.size();
  for (std::size_t i = 0; i < to.size(); ++i)
    if (i < added ? !to[i].is(1) : !dims::same(to[i], from[i - added])) return ir::no_node;
  return n.inputs[0];
}

NodeId drop_ones_under_broadcast(Site& s) {
  const NodeId ones = input_of(s, s.root());
  const NodeId behind = behind_broadcast(s, ones);
  return behind == ir::no_node ? behind : s.broadcast(behind, s.type(s.root()).shape);
}

/// f(reshape(x)) is reshape(f(x)), so that f joins what computes x.
NodeId reshape_after_unary(Site& s) {
  const ir::GraphNode& root = s.node(s.root());
  if (root.inputs.size() != 1 || s.node(root.inputs[0]).op != &ops::reshape) return ir::no_node;
  const NodeId computed = s.make(*root.op, {input_of(s, root.inputs[0])}, root.params);
  return s.reshape(computed, root.type.shape);
}

NodeId drop_implied_broadcast(Site& s) {
  const NodeId root = s.root();
  const ir::NodeIds& inputs = s.node(root).inputs;
  const ir::DimList& shape = s.type(root).shape;
  if (std::ranges::all_of(inputs, [&](NodeId i) { return behind_broadcast(s, i) == ir::no_node; }))
    return ir::no_node;
  // Every axis of the result must still come from some input.
  auto is_covered = [&](const ir::NodeIds& ids) {
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      bool is_given = false, is_longest = false;
      for (NodeId i : ids) {
        const auto& t = s.type(i).shape;
        if (t.size() + axis < shape.size()) continue;
        is_longest = true;
        is_given = is_given || dims::same(t[axis - (shape.size() - t.size())], shape[axis]);
      }
      if (!is_longest || !is_given) return false;
    }
    return true;
  };
  ir::NodeIds reduced = inputs;
  bool has_changed = false;
  for (NodeId& i : reduced) {
    const NodeId kept = i, behind = behind_broadcast(s, i);
    if (behind == ir::no_node) continue;
    i = behind;
    if (is_covered(reduced))
      has_changed = true;
    else
      i = kept;
  }
  if (!has_changed) return ir::no_node;
  return s.make(*s.node(root).op, std::move(reduced), s.node(root).params);
}

NodeId drop_identity_slice(Site& s) {
  const ir::GraphNode& n = s.node(s.root());
  const auto& from = s.type(s["x"]).shape;
  const auto& taken = n.params.as<ops::SliceParams>();
  for (std::size_t i = 0; i < from.size(); ++i)
    if (taken.steps[i] != 1 || !taken.starts[i].is(0) || !dims::same(from[i], n.type.shape[i]))
      return ir::no_node;
  return s["x"];
}

/// Starts and steps compose where both steps go up.
NodeId compose_slices(Site& s) {
  const auto &outer = s.node(s.root()).params.as<ops::SliceParams>(),
             &inner = s.node(s["inner"]).params.as<ops::SliceParams>();
  ir::Ints steps;
  std::vector<Dim> starts;
  for (std::size_t i = 0; i < outer.steps.size(); ++i) {
    if (outer.steps[i] < 0 || inner.steps[i] < 0) return ir::no_node;
    steps.push_back(outer.steps[i] * inner.steps[i]);
    starts.push_back(
        dims::normal(dims::add(inner.starts[i], dims::mul(outer.starts[i], Dim(inner.steps[i])))));
  }
  return s.make(ops::slice, {s["x"]},
                ops::SliceParams{std::move(starts), std::move(steps), outer.shape});
}

/// f(broadcast(x)) is broadcast(f(x)): f is computed on fewer elements.
NodeId broadcast_after_unary(Site& s) {
  const ir::GraphNode& root = s.node(s.root());
  if (root.inputs.size() != 1 || s.node(root.inputs[0]).op != &ops::broadcast_to)
    return ir::no_node;
  return s.broadcast(s.make(*root.op, {input_of(s, root.inputs[0])}, root.params), root.type.shape);
}

Expr m() { return tensor<float>({3, 4}, "x"); }

} // namespace

const RuleSet& movement() {
  static const RuleSet set{
      "movement",
      {
          rule("stop-gradient", any(ops::stop_gradient, {x}), [](Site& s) { return s["x"]; })
              .on([] { return kroton::stop_gradient(m()); })
              .needed(),
          rule("reshape-identity", any(ops::reshape, {x}), drop_identity)
              .on([] {
                return kroton::reshape(m(), {3, 4});
              })
              .but_not([] {
                return kroton::reshape(m(), {4, 3});
              }),
          rule("broadcast-identity", any(ops::broadcast_to, {x}), drop_identity)
              .on([] {
                return kroton::broadcast_to(m(), {3, 4});
              })
              .but_not([] {
                return kroton::broadcast_to(m(), {2, 3, 4});
              }),
          rule("transpose-identity", any(ops::transpose, {x}), drop_identity_transpose)
              .on([] {
                return kroton::transpose(m(), {0, 1});
              })
              .but_not([] { return kroton::transpose(m()); }),
          rule("slice-identity", any(ops::slice, {x}), drop_identity_slice)
              .on([] {
                return kroton::slice(m(), {{0, 3}});
              })
              .but_not([] {
                return kroton::slice(m(), {{1, 3}});
              }),
          rule("transpose-transpose", any(ops::transpose, {as("inner", any(ops::transpose, {x}))}),
               compose_transposes)
              .on([] {
                return kroton::transpose(
                    kroton::transpose(tensor<float>({2, 3, 4}, "x"), {1, 2, 0}));
              }),
          rule("reshape-reshape", any(ops::reshape, {any(ops::reshape, {x})}), compose_reshapes)
              .on([] {
                return kroton::reshape(kroton::reshape(m(), {12}), {2, 6});
              }),
          rule("broadcast-broadcast", any(ops::broadcast_to, {any(ops::broadcast_to, {x})}),
               compose_broadcasts)
              .on([] {
                return kroton::broadcast_to(
                    kroton::broadcast_to(tensor<float>({3, 1}, "x"), {3, 4}), {2, 3, 4});
              }),
          rule("reshape-broadcast-scalar", any(ops::reshape, {any(ops::broadcast_to, {x})}),
               move_broadcast_scalar)
              .on([] {
                return kroton::reshape(kroton::broadcast_to(scalar<float>("x"), {3, 4}), {12});
              })
              .but_not([] {
                return kroton::reshape(kroton::broadcast_to(tensor<float>({4}, "x"), {3, 4}), {12});
              }),
          rule("transpose-broadcast-scalar", any(ops::transpose, {any(ops::broadcast_to, {x})}),
               move_broadcast_scalar)
              .on([] {
                return kroton::transpose(kroton::broadcast_to(scalar<float>("x"), {3, 4}));
              }),
          rule("slice-broadcast-scalar", any(ops::slice, {any(ops::broadcast_to, {x})}),
               move_broadcast_scalar)
              .on([] {
                return kroton::slice(kroton::broadcast_to(scalar<float>("x"), {3, 4}), {{1, {}}});
              }),
          rule("slice-slice", any(ops::slice, {as("inner", any(ops::slice, {x}))}), compose_slices)
              .on([] {
                return kroton::slice(kroton::slice(tensor<float>({9}, "x"), {{1, 9, 2}}),
                                     {{1, 4, 2}});
              })
              .but_not([] {
                return kroton::slice(kroton::slice(tensor<float>({9}, "x"), {{{}, {}, -1}}),
                                     {{1, 4}});
              }),
          rule("ones-under-broadcast", any(ops::broadcast_to, {any(ops::reshape, {x})}),
               drop_ones_under_broadcast)
              .on([] {
                return kroton::broadcast_to(kroton::reshape(tensor<float>({4}, "x"), {1, 4}),
                                            {3, 4});
              })
              .but_not([] {
                return kroton::broadcast_to(kroton::reshape(tensor<float>({3}, "x"), {3, 1}),
                                            {3, 4});
              }),
          rule("reshape-after-unary", any(ir::Kind::elementwise), reshape_after_unary)
              .on([] { return kroton::log(kroton::reshape(m(), {12})); })
              .but_not([] { return kroton::reshape(m(), {12}) + tensor<float>({12}, "y"); }),
          rule("broadcast-after-unary", any(ir::Kind::elementwise), broadcast_after_unary)
              .on([] {
                return kroton::exp(kroton::broadcast_to(tensor<float>({4}, "y"), {3, 4}));
              })
              .but_not([] { return kroton::exp(kroton::reshape(m(), {12})); }),
          rule("implied-broadcast", any(ir::Kind::elementwise), drop_implied_broadcast)
              .on([] {
                return m() + kroton::broadcast_to(tensor<float>({4}, "y"), {3, 4});
              })
              .but_not([] {
                return kroton::exp(kroton::broadcast_to(tensor<float>({4}, "y"), {3, 4}));
              }),
      }};
  return set;
}

} // namespace kroton::rewrite::rules
