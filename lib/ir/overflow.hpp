#pragma once
/// Where the reference evaluator overflows on its way to a value.
///
///   std::vector<Array> doubtful = overflowed(graph, graph.outputs(), bindings);
///
/// A rewrite that keeps a value finite, log(1 + exp(x)) as x for a large x, changes whatever is
/// computed from it, and not only what is infinite in the end: max(log(1 + exp(x)) * 0, 2) is 2
/// where the NaN is lost in a comparison.
#include "lib/ir/eval.hpp"

namespace kroton::ir {

/// For each of `wanted`, f64 that are not 0 for the elements that depend on a value that is
/// infinite or NaN although all that it was computed from is finite. Of a library call or a matrix
/// product, every element depends on every element of the inputs. Throws IndexError where an op
/// does.
std::vector<Array> overflowed(const Graph& graph, std::span<const NodeId> wanted,
                              Bindings bindings);

} // namespace kroton::ir
