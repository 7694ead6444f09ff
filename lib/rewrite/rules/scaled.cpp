#include "lib/rewrite/rules/scaled.hpp"

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"

namespace kroton::rewrite::rules {
namespace {

/// The rank-0 node behind a broadcast; no_node if it is none.
NodeId scalar_behind(const Site& s, NodeId id) {
  while (s.node(id).op == &ops::broadcast_to) id = s.node(id).inputs[0];
  return s.type(id).rank() == 0 ? id : ir::no_node;
}

} // namespace

Scaled peel(Site& s, NodeId id, const ir::Op& wanted) {
  constexpr int max_layers = 8;
  Scaled r;
  auto scale = [&](const ir::Op& op, NodeId by) {
    if (r.alpha == ir::no_node && &op == &ops::mul)
      r.alpha = by;
    else
      r.alpha =
          s.make(op, {r.alpha == ir::no_node ? s.constant(1, s.type(by).dtype) : r.alpha, by});
  };
  for (int i = 0; i < max_layers && s.uses(id) == 1; ++i) {
    const ir::GraphNode& n = s.node(id);
    if (n.op == &wanted) {
      r.node = id;
      return r;
    }
    if (n.op == &ops::neg) {
      r.is_negative = !r.is_negative;
      id = n.inputs[0];
      continue;
    }
    if (n.op != &ops::mul && n.op != &ops::div) return r;
    const NodeId left = n.inputs[0], right = n.inputs[1];
    if (const NodeId by = scalar_behind(s, right); by != ir::no_node) {
      const ir::Op& op = *n.op;
      id = left;
      scale(op, by);
    } else if (n.op == &ops::mul && scalar_behind(s, left) != ir::no_node) {
      scale(ops::mul, scalar_behind(s, left));
      id = right;
    } else {
      return r;
    }
  }
  return r;
}

NodeId factor_of(Site& s, const Scaled& scaled, DType dtype, bool is_subtracted) {
  const bool is_negative = scaled.is_negative != is_subtracted;
  if (scaled.alpha == ir::no_node) {
    const std::uint64_t bits = is_float(dtype) ? ops::float_bits(dtype, is_negative ? -1 : 1)
                                               : ops::int_bits(dtype, is_negative ? -1 : 1);
    return s.make(ops::constant, {}, ops::ConstantParams{ir::scalar_of(dtype, bits)});
  }
  return is_negative ? s.make(ops::neg, {scaled.alpha}) : scaled.alpha;
}

} // namespace kroton::rewrite::rules
