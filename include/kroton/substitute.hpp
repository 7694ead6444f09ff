#pragma once
/// Expressions with other expressions in the place of some.
///
///   auto x = kt::vector<float>("x"), y = kt::exp(2 * x);
///   kt::Expr z = kt::substitute(y, {{x, x + 1}});       // exp(2 * (x + 1))
///   kt::Expr w = kt::substitute(y, {{2 * x, x}});       // y itself: 2 * x here is another node
#include <utility>
#include <vector>

#include <kroton/expr.hpp>

namespace kroton {

/// What stands where: an expression that is used, and what takes its place.
using Substitutions = std::vector<std::pair<Expr, Expr>>;

/// `e` with the second of each pair in the place of the first, all at once: what takes a place is
/// not looked into. An expression is the very one that `e` was made from, not an equal one. Sizes
/// follow: where x f32[n] becomes an f32[5], n is 5 in all of `e`, and where an integer scalar that
/// sizes are made of is replaced, they are made of what takes its place. Nothing of `e` changes.
///
/// Throws TypeError or ShapeError unless the two have one dtype, rank and shape, as far as sizes
/// are known; GraphError for an expression that is to become two things.
Expr substitute(const Expr& e, const Substitutions& by, Location where = Location::current());
/// The same in several, whose common parts stay common.
std::vector<Expr> substitute(const std::vector<Expr>& all, const Substitutions& by,
                             Location where = Location::current());

} // namespace kroton
