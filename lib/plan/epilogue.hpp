#pragma once
/// Which elementwise groups can be computed as the elements of a matrix product are, one after the
/// other: its epilogues.
///
///   Fusion f = fuse(graph, order, false);
///   std::vector<NodeId> of = find_epilogues(graph, order, f.groups);
///   // of[g] is the product that group g follows, or no_node
///
/// A group is an epilogue if it does nothing but compute, from each element of the product and from
/// other arrays at the same place, elements of arrays of the product's shape. A product has one at
/// most, and a group is that of one. No step would need another in a circle.
#include <vector>

#include "lib/plan/group.hpp"

namespace kroton::plan {

std::vector<NodeId> find_epilogues(const Graph& graph, const std::vector<NodeId>& order,
                                   const std::vector<Group>& groups);

} // namespace kroton::plan
