#pragma once
/// Expressions in which some nodes are replaced by others.
///
///   Expr leaf = fresh_leaf(y);                         // an input of y's type
///   Expr over_leaf = replaced(cost, {{y.node().get(), leaf}});
#include <unordered_map>

#include "lib/ir/node.hpp"

namespace kroton::ops {

using Replacements = std::unordered_map<const ir::Node*, Expr>;

/// Each of `roots` with nodes replaced. Nodes that do not depend on any of them stay the same
/// objects; below a replaced node nothing is looked at.
std::vector<Expr> replaced(std::span<const Expr> roots, const Replacements& by);
Expr replaced(const Expr& root, const Replacements& by);

/// An input that stands for an expression: of its type, equal to no other.
Expr fresh_leaf(const Expr& like);
Expr fresh_leaf(const ir::Type& type, Location where);

} // namespace kroton::ops
