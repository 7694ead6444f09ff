#pragma once
/// What guards ask about nodes: signs, positions, shapes.
#include "lib/rewrite/rule.hpp"

namespace kroton::rewrite {

/// True if every element is known to be > 0 or NaN (never -0, though it may underflow to +0).
bool is_positive(const ir::Graph& g, NodeId id);
/// True for x - max(x), the form in which exp cannot overflow.
bool is_shifted_by_max(const ir::Graph& g, NodeId id);
/// The mean of an array along some of its axes.
struct Mean {
  NodeId of = ir::no_node;       ///< the array; no_node where there is no mean
  NodeId sum = ir::no_node;      ///< over the axes
  NodeId count = ir::no_node;    ///< of elements, by which the sum is divided, or its reciprocal
  NodeId quotient = ir::no_node; ///< what div or mul make of the two
};
/// The mean that `id` is, seen through views that leave each element beside those that it is the
/// mean of.
Mean mean_at(const ir::Graph& g, NodeId id);
/// True for 0, 1, … over the whole of `size`.
bool is_iota_of(const ir::Graph& g, NodeId id, const Dim& size);
/// The node behind broadcasts and reshapes that only add or drop dims of 1; `id` itself otherwise.
NodeId behind_views(const ir::Graph& g, NodeId id);
/// True if the node's values do not vary along `axes` of a result of rank `rank` that it broadcasts
/// into.
bool is_constant_along(const ir::Graph& g, NodeId id, std::span<const std::int64_t> axes, int rank);

} // namespace kroton::rewrite
