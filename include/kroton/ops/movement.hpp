#pragma once
/// Ops that move elements or pass them on, beyond the basic ones.
///
///   auto row = kt::squeeze(kt::slice(x, {{0, 1}}));   // f32[1,?] to f32[?]
#include <cstdint>
#include <utility>
#include <vector>

#include <kroton/ops/basic.hpp>

namespace kroton {

/// Drops axes of size 1 (all of them when empty).
Expr squeeze(Operand a, Axes axes = {});

/// a, through which no gradient flows.
Expr stop_gradient(Operand a);

/// Axis `from` moved to where axis `to` of the result is; the others keep their order. Axes may be
/// lists of equal length. Throws ShapeError for axes that there are not, or twice.
Expr moveaxis(Operand a, Axes from, Axes to);
/// Two axes exchanged.
Expr swapaxes(Operand a, int first, int second);
/// All elements in row-major order, as one axis.
Expr ravel(Operand a);
/// With axes of size 1 until there are that many: `atleast_2d` puts them in front, `atleast_3d`
/// makes [n] a [1,n,1] and [n,m] an [n,m,1], as NumPy's.
Expr atleast_1d(Operand a);
Expr atleast_2d(Operand a);
Expr atleast_3d(Operand a);
/// The arrays broadcast to the shape that they have together.
std::vector<Expr> broadcast_arrays(const std::vector<Expr>& arrays,
                                   Location where = Location::current());

/// The elements in reverse order along `axes`, all of them when empty.
Expr flip(Operand a, Axes axes = {});
Expr flipud(Operand a); ///< along the first axis
Expr fliplr(Operand a); ///< along the second axis
/// Turned by `turns` times 90 degrees, from the first of two axes towards the second.
Expr rot90(Operand a, std::int64_t turns = 1, std::pair<int, int> axes = {0, 1});
/// Moved on by `shift` places along `axis`; what leaves the end enters at the beginning. Shifts may
/// be negative and longer than the axis.
Expr roll(Operand a, std::int64_t shift, int axis);
/// Of all elements in row-major order, as numpy.roll's without an axis.
Expr roll(Operand a, std::int64_t shift);
/// Along several axes.
Expr roll(Operand a, const std::vector<std::int64_t>& shifts, Axes axes);

/// The whole array `repetitions[i]` times along axis i, as numpy.tile's: the shorter of shape and
/// repetitions is filled up with ones in front. Throws ShapeError for negative ones.
Expr tile(Operand a, std::vector<std::int64_t> repetitions);
/// Each element `repetitions` times along `axis`: [a b] is [a a b b].
Expr repeat(Operand a, std::int64_t repetitions, int axis);
/// Of all elements in row-major order, as numpy.repeat's without an axis.
Expr repeat(Operand a, std::int64_t repetitions);

/// The elements of the last two axes on and below diagonal k, zeros elsewhere.
Expr tril(Operand a, std::int64_t k = 0);
/// The elements on and above diagonal k.
Expr triu(Operand a, std::int64_t k = 0);
/// The elements with position i on the first axis and i + offset on the second, as the last axis of
/// the result; the other axes before it. Throws ShapeError for one axis twice.
Expr diagonal(Operand a, std::int64_t offset = 0, int first = 0, int second = 1);
/// The sum over a diagonal; integers and bool as sum's.
Expr trace(Operand a, std::int64_t offset = 0, int first = 0, int second = 1);
/// Of a vector [n] the matrix [n+|k|, n+|k|] with it on diagonal k and zeros elsewhere; of a matrix
/// its diagonal k. Throws ShapeError for other ranks.
Expr diag(Operand a, std::int64_t k = 0);

} // namespace kroton
