#pragma once
/// What every stage may rely on in a row and in a graph, as checks.
///
///   check_graph(graph, "simplify");     // throws InternalError, naming the pass and the node
///
/// They run where `support::are_stages_checked()` says so: after capture and after each pass.
#include <string_view>

#include "lib/ir/graph.hpp"

namespace kroton::ir {

/// A row says all that its kind needs, and nothing that its kind has no use for. Throws
/// InternalError that names the op.
void check_row(const Op& op);

/// A reduction is a fold, as `Fold` says: tried on a few numbers by its evaluator. Throws
/// InternalError that names the op.
void check_fold(const Op& op);

/// - each node has as many inputs as its op takes, and its row is one that check_row accepts
/// - inputs precede users: nothing depends on itself, and nothing that was replaced is read
/// - each node is among the users of its inputs
/// - a node's type is the one that its row infers from its inputs
/// - the axes that a reduction or a transpose names are axes of its input, each once
/// - no two nodes are equal
///
/// Throws InternalError that names the first node for which one of these does not hold, and
/// `after`, the pass that left it so.
void check_graph(const Graph& graph, std::string_view after);

} // namespace kroton::ir
