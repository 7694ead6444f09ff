#include "lib/rewrite/rules/facts.hpp"

#include <algorithm>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"

namespace kroton::rewrite {
namespace {

/// Facts are looked for this many nodes deep.
constexpr int max_depth = 12;

bool is_positive_to(const ir::Graph& g, NodeId id, int depth) {
  if (depth == 0) return false;
  const ir::GraphNode& n = g[id];
  if (n.op == &ops::exp || n.op == &ops::sigmoid || n.op == &ops::softplus) return true;
  if (n.op == &ops::constant)
    return is_float(n.type.dtype) && ops::float_value(ops::constant_in(n)) > 0;
  const bool keeps_sign = n.op == &ops::sum || n.op == &ops::max || n.op == &ops::min ||
                          n.op == &ops::sqrt || n.op->is(ir::Kind::movement);
  if (keeps_sign) return is_positive_to(g, n.inputs[0], depth - 1);
  if (n.op == &ops::add || n.op == &ops::mul || n.op == &ops::div || n.op == &ops::minimum)
    return is_positive_to(g, n.inputs[0], depth - 1) && is_positive_to(g, n.inputs[1], depth - 1);
  return false;
}

} // namespace

bool is_positive(const ir::Graph& g, NodeId id) { return is_positive_to(g, id, max_depth); }

bool is_shifted_by_max(const ir::Graph& g, NodeId id) {
  if (g[id].op != &ops::sub) return false;
  // The rows that softmax and its family shift are where(…, x, stop_gradient(x)).
  NodeId shifted = g.resolve(g[id].inputs[0]);
  if (g[shifted].op == &ops::where) shifted = g.resolve(g[shifted].inputs[1]);
  NodeId at = g[id].inputs[1];
  for (int i = 0; i < max_depth; ++i) {
    const ir::GraphNode& n = g[at];
    if (n.op == &ops::max) return g.resolve(n.inputs[0]) == shifted;
    if (n.op == &ops::where)
      at = n.inputs[1];
    else if (n.op->is(ir::Kind::movement))
      at = n.inputs[0];
    else
      return false;
  }
  return false;
}

namespace {

/// True for the number of elements along `axes` of `shape` as a scalar of a float dtype, or for its
/// reciprocal.
bool is_count(const ir::Graph& g, NodeId id, std::span<const Dim> shape,
              std::span<const std::int64_t> axes, bool is_reciprocal) {
  Dim count(1);
  for (std::int64_t axis : axes)
    count = ir::dims::mul(count, shape[static_cast<std::size_t>(axis)]);
  id = behind_views(g, id);
  if (!is_reciprocal && g[id].op == &ops::cast) id = g[id].inputs[0];
  if (g[id].op == &ops::size)
    return !is_reciprocal && ir::dims::same(g[id].params.as<ops::SizeParams>().size, count);
  if (!count.is_static()) return false;
  const auto n = static_cast<double>(count.value());
  return is_constant(g, id, is_reciprocal ? 1 / n : n);
}

} // namespace

Mean mean_at(const ir::Graph& g, NodeId id) {
  while (g[id].op == &ops::broadcast_to) id = g[id].inputs[0];
  const auto& shape = g[id].type.shape;
  const auto behind_reshapes = [&](NodeId at) {
    while (g[at].op == &ops::reshape) at = g[at].inputs[0];
    return at;
  };
  const NodeId quotient = behind_reshapes(id);
  const ir::GraphNode& q = g[quotient];
  if ((q.op != &ops::div && q.op != &ops::mul) || !is_float(q.type.dtype)) return {};
  const bool is_product = q.op == &ops::mul;
  for (std::size_t side = 0; side < (is_product ? 2U : 1U); ++side) {
    const NodeId sum = behind_reshapes(q.inputs[side]), count = q.inputs[1 - side];
    if (g[sum].op != &ops::sum) continue;
    const ir::Ints& axes = ops::axes_of(g[sum]);
    std::vector<Dim> kept = g[g[sum].inputs[0]].type.shape;
    if (!is_count(g, count, kept, axes, is_product)) continue;
    for (std::int64_t axis : axes) kept[static_cast<std::size_t>(axis)] = Dim(1);
    // Dims of 1 in front may be left out.
    while (kept.size() > shape.size() && kept.front().is(1)) kept.erase(kept.begin());
    if (ir::dims::same(kept, shape)) return {g[sum].inputs[0], sum, count, quotient};
  }
  return {};
}

bool is_iota_of(const ir::Graph& g, NodeId id, const Dim& size) {
  return g[id].op == &ops::iota && ir::dims::same(g[id].params.as<ops::SizeParams>().size, size);
}

NodeId behind_views(const ir::Graph& g, NodeId id) {
  while (g[id].op == &ops::reshape || g[id].op == &ops::broadcast_to) {
    const NodeId from = g[id].inputs[0];
    if (g[id].op == &ops::reshape) {
      auto without_ones = [](std::vector<Dim> shape) {
        std::erase_if(shape, [](const Dim& d) { return d.is(1); });
        return shape;
      };
      if (!ir::dims::same(without_ones(g[id].type.shape), without_ones(g[from].type.shape)))
        return id;
    }
    id = from;
  }
  return id;
}

bool is_constant_along(const ir::Graph& g, NodeId id, std::span<const std::int64_t> axes,
                       int rank) {
  if (constant_behind(g, id)) return true;
  // A broadcast's own axes of 1 and the axes it adds in front do not vary.
  while (g[id].op == &ops::broadcast_to && g[id].type.rank() == rank) id = g[id].inputs[0];
  const int missing = rank - g[id].type.rank();
  return std::ranges::all_of(axes, [&](std::int64_t axis) {
    return axis < missing || g[id].type.shape[static_cast<std::size_t>(axis - missing)].is(1);
  });
}

} // namespace kroton::rewrite
