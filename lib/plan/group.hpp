#pragma once
/// Fusion groups: which nodes share a kernel, and how its loops are arranged.
///
/// A group has axes; its first `rows` axes are walked by the outer, parallel loops ("rows"), the
/// rest by inner loops, several times where a reduction's result is needed to continue. A softmax
/// over [n, c] is one group of axes (n, c) with one row axis and three stages: the largest, the
/// sum of exponentials, the quotients.
///
/// Short axes may have no loops: points [n, 3] are three values for each of n. Then the axis is
/// unrolled, and a reduction over nothing else is no reduction of the group's, but computed like
/// an elementwise node.
#include <memory>
#include <optional>
#include <string_view>

#include "lib/plan/view.hpp"
#include "lib/support/small_vector.hpp"

namespace kroton::plan {

/// Some axes of a group.
using AxisList = support::SmallVector<int, 4>;

/// How Member::axes name unrolled axis `k` of the group.
constexpr int unrolled_axis(int k) { return -2 - k; }
/// The number of an unrolled axis that is named so; below 0 if `axis` is none.
constexpr int number_of_unrolled(int axis) { return -2 - axis; }

/// Where in a kernel a node is computed.
enum class Site : std::uint8_t {
  prologue, ///< scalars that no row changes
  main,     ///< for each row, in stage `level`
  finish,   ///< after all rows, from the results of reductions over them
};

struct Member {
  NodeId id = ir::no_node;
  AxisList axes;    ///< the group's axis of each axis it is computed over (a reduction's input's);
                    ///< -1 for size 1; unrolled_axis(k) for an unrolled one
  AxisList domain;  ///< group axes it is computed over, sorted; a reduction's include the reduced
  AxisList reduced; ///< group axes it reduces, sorted
  AxisList unrolled, unrolled_reduced; ///< unrolled axes it is computed over; those it reduces
  Site site = Site::main;
  int level = 0;
  bool is_reduction = false; ///< over axes that have loops
  bool is_outer = false;     ///< a reduction over all row axes (and perhaps inner ones)
  bool is_row_value = false; ///< computed once a row: its domain is the row axes
};

struct Group {
  std::vector<Dim> axes;
  std::vector<std::int64_t> unrolled; ///< lengths of the unrolled axes
  int rows = 0;
  int levels = 1;
  std::vector<Member> members; ///< inputs before users
  const Member* find(NodeId id) const;
};

/// The operands that a compute node reads element by element, as views from its own axes.
/// Gather: the positions only (its source is read at computed places).
struct Edge {
  std::size_t operand;
  View view;
};
using Edges = support::SmallVector<Edge, 2>;
Edges elementwise_edges(const Graph& graph, NodeId id);

/// Remembers the edges of nodes: fusion asks for them each time a group is tried.
class EdgeCache {
public:
  explicit EdgeCache(const Graph& graph) : graph_(graph), edges_(graph.numel()) {}
  const Edges& of(NodeId id) {
    std::unique_ptr<Edges>& edges = edges_[static_cast<std::size_t>(id)];
    if (!edges) edges = std::make_unique<Edges>(elementwise_edges(graph_, id));
    return *edges;
  }
  void forget(NodeId id) { edges_[static_cast<std::size_t>(id)].reset(); }

private:
  const Graph& graph_;
  std::vector<std::unique_ptr<Edges>> edges_;
};

/// True for nodes that kernels compute: elementwise, reductions, gathers and random numbers.
bool is_fusable(const Graph& graph, NodeId id);

/// Lays out loops for `members` (sorted by topological position) as one kernel; nothing if they
/// cannot be one, with the reason in `why`. `may_unroll`: short axes that get in the way of long
/// loops may be unrolled.
std::optional<Group> lay_out(const Graph& graph, const std::vector<NodeId>& members,
                             EdgeCache& edges, bool may_unroll, std::string_view* why = nullptr);

/// The elementwise op that makes a reduction of a few values, two at a time; null if there is none.
const ir::Op* step_of_fold(const ir::Op& reduction);

/// True if one loop over all elements does: every member and every array it reads is walked front
/// to back, or is a scalar.
bool is_flat(const Group& group, EdgeCache& edges);

struct Cut {
  NodeId producer, consumer;
  std::string_view why;
};

struct Fusion {
  std::vector<Group> groups; ///< in an order in which they can run
  std::vector<Cut> cuts;     ///< edges that stayed between kernels, and why
};

/// Groups the fusable nodes of `order` greedily, producer with consumer first, then siblings.
/// `one_each` keeps every node apart; see lay_out for `may_unroll`. With `walks_pieces` long
/// elementwise chains stay whole.
Fusion fuse(const Graph& graph, const std::vector<NodeId>& order, bool one_each, bool may_unroll,
            bool walks_pieces = false);

} // namespace kroton::plan
