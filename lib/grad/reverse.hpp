#pragma once
/// Reverse mode over expressions as they are, for `grad` and for what is made of it.
///
///   std::vector<Expr> g = pulled_back({{.of = y, .gradient = dy}}, {x}, {}, where);
#include "lib/ir/node.hpp"

namespace kroton::reverse {

/// An expression with its gradient.
struct Start {
  Expr of, gradient;
};

/// What a walk is not to pass.
struct Limits {
  std::span<const Expr> constants = {}; ///< gradients reach them, and go no further
  std::span<const Expr> known = {};     ///< their gradients are those of their starts alone
};

/// The gradient with respect to each of `wrt` of what has these gradients, in `wrt`'s shape and
/// dtype; null for what no start depends on. `reached` (if given) is told of each of `wrt` whether
/// a start is made from it all the same.
std::vector<Expr> pulled_back(std::span<const Start> starts, const std::vector<Expr>& wrt,
                              Limits limits, Location where, std::vector<bool>* reached = nullptr);

/// Expressions in their numerically stable form, over the very nodes of `opaque`.
std::vector<Expr> stabilized(const std::vector<Expr>& all, const std::vector<Expr>& opaque);

/// A gradient or tangent in the shape of `like`, of which it is one.
Expr in_shape_of(const Expr& g, const Expr& like, Location where);
Expr zeros_like(const Expr& e, Location where);

/// Throws TypeError unless `e` can be differentiated by.
void check_differentiable(std::string_view op, const Expr& e, Location where);
/// `given`, a gradient or tangent of `of` that a user gave, in its shape. Throws TypeError or
/// ShapeError where it does not fit.
Expr fitted(std::string_view op, std::string_view what, const Expr& given, const Expr& of,
            Location where);

} // namespace kroton::reverse
