#pragma once
/// From a fusion group to loop IR.
///
///   Lowered l = lower(graph, group, stored, padding);
///   // l.params[i] is the buffer node behind l.kernel.params[i]
#include <functional>
#include <set>

#include "lib/plan/kernel.hpp"
#include "lib/plan/padding.hpp"

namespace kroton::plan {

struct Lowered {
  Kernel kernel;
  std::vector<NodeId> params; ///< the node whose buffer each parameter is (aliases resolved)
};

/// `stored` are the members whose values are needed outside the group. Sums of f32 are kept in f64;
/// those that are known to be short are not, unless threads share them (`splits_reductions`): what
/// is added then in which dtype is a matter of the threads, not of what is known of the length.
Lowered lower(const Graph& graph, const Group& group, const std::set<NodeId>& stored,
              const Padding& padding, bool splits_reductions);

} // namespace kroton::plan
