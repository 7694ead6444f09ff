#pragma once
/// What is known of the positions that a gather reads, beside that they are integers.
///
///   if (cover_axis(graph, positions, size)) …    // x[arange(n)]: no lookup at all
#include "lib/plan/view.hpp"

namespace kroton::plan {

/// True for 0 … n-1 over an axis of exactly n: such positions need no check.
bool cover_axis(const Graph& graph, const View& positions, const Dim& size);

/// True for min(max(p, 0), n-1) on an axis of n that has elements, as the gradient of a slice
/// reads: such positions need no check either.
bool are_cut_off(const Graph& graph, const View& positions, const Dim& size);

} // namespace kroton::plan
