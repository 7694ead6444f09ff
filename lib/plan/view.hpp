#pragma once
/// What an operand reads: a stored node through a chain of views.
///
///   View v = resolve_view(graph, operand, rank_of_reader);
///   // operand[j0, j1] is base[start + step * j_axis, …] for each axis of the base
#include <optional>
#include <span>
#include <vector>

#include "lib/ir/graph.hpp"

namespace kroton::plan {

using ir::Graph;
using ir::NodeId;

/// The position on one axis of a base: start + step * (the reader's axis), or start alone.
struct AxisMap {
  int axis = -1; ///< of the reader; -1: does not move
  Dim start{0};
  std::int64_t step = 1; ///< 0: one element of an axis that has others
};

/// One for each axis of a base.
using AxisMaps = support::SmallVector<AxisMap, 2>;

struct View {
  NodeId base = ir::no_node;
  AxisMaps axes;

  /// Every element at the reader's own position (or the only one, along axes of size 1).
  bool is_pure() const;
};

/// True for nodes that are views of their input: transpose, broadcast-to, slice, and reshapes
/// that only add or drop axes of size 1.
bool is_view(const Graph& graph, NodeId id);
/// A reshape that is not a view: it renames the axes of a dense buffer.
bool is_alias(const Graph& graph, NodeId id);

/// `operand` as read by a node of `rank` axes, aligned to the right; axes of size 1 do not move.
View resolve_view(const Graph& graph, NodeId operand, int rank);
/// `operand` read along `axes` of the reader, one for each of its own axes.
View resolve_view(const Graph& graph, NodeId operand, AxisMaps axes);

/// The node whose buffer an alias shares; `id` itself if it is none.
NodeId storage_of(const Graph& graph, NodeId id);

/// True for arrays that consist of others (ops::join). No step computes them: each of their inputs
/// is a copy, which is stored at its place in the join's own memory.
bool is_join(const Graph& graph, NodeId id);

/// Where a node that is part of a join is stored.
struct JoinPlace {
  NodeId whole = ir::no_node;
  std::span<const Dim> starts; ///< its first element in `whole`, one for each axis
};
/// Nothing for nodes that have memory of their own.
std::optional<JoinPlace> place_in_join(const Graph& graph, NodeId id);
/// The node whose memory a step writes that computes `id`: the join that it is part of, or itself.
NodeId stored_in(const Graph& graph, NodeId id);

} // namespace kroton::plan
