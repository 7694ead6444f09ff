#pragma once
/// Sorting and searching along one axis. Elements compare as numbers, -0 and 0 being equal; NaN is
/// larger than any number, so it comes last in ascending order, as NumPy has it. Sorting is stable:
/// equal elements keep their order. On the CPU.
///
///   auto [best, which] = kt::topk(scores, 5);   // f32[n,m] to f32[n,5] and i64[n,5]
#include <kroton/ops/basic.hpp>

namespace kroton {

/// a with the elements along one axis in ascending order, or descending; dtype and shape are a's.
/// The gradient goes to where the elements come from. Throws ShapeError for a scalar.
Expr sort(Operand a, int axis = -1, bool descending = false);
/// The positions (i64, a's shape) that sort would take elements from; no gradient.
Expr argsort(Operand a, int axis = -1, bool descending = false);

struct SortedAndPositions {
  Expr values, positions;
};
/// sort and argsort together, which costs what argsort does.
SortedAndPositions sort_and_argsort(Operand a, int axis = -1, bool descending = false);

/// The k largest elements along one axis, from the largest on, or the k smallest, from the
/// smallest; and their positions (i64). Both have a's shape with k along the axis. Of equal
/// elements the first ones are taken; a NaN counts as largest. k may be a size or a number. Throws
/// ShapeError for k below 0 or above the axis' size, in the call if that is not known before.
SortedAndPositions topk(Operand a, Dim k, int axis = -1, bool largest = true);

/// numpy.partition: position `kth` along the axis holds what it holds after sorting, nothing in
/// front of it is larger, nothing behind it smaller. (Each side is sorted, too.) `kth` may be
/// negative. Throws ShapeError where there is no such position.
Expr partition(Operand a, std::int64_t kth, int axis = -1);
/// The positions (i64) that partition takes elements from.
Expr argpartition(Operand a, std::int64_t kth, int axis = -1);

/// Where each of `values` belongs among the ascending `sorted` (rank 1): how many of its elements
/// are smaller, or, with `right`, not larger, as numpy.searchsorted's. i64, of values' shape; the
/// dtypes are promoted. What is not sorted gives any position.
Expr searchsorted(Operand sorted, Operand values, bool right = false);

/// The bin that each element of x is in, as numpy.digitize's: `bins` (rank 1, ascending) bounds
/// bins from below, or, with `right`, from above. i64, of x's shape, from 0 to bins' size.
Expr digitize(Operand x, Operand bins, bool right = false);

/// How often each of 0, 1, … size - 1 is in x (integers of any shape), as numpy.bincount's: i64, of
/// `size` elements. Unlike there the size is given, since sizes are known before anything is
/// computed. Throws IndexError in a call where an element is negative or not below `size`.
Expr bincount(Operand x, Dim size);
/// The sums of the `weights` (of x's shape) of each of 0, 1, … size - 1 in x, in weights' dtype;
/// bool and small integers in i64 or u64.
Expr bincount(Operand x, Dim size, Operand weights);

struct CountsAndEdges {
  Expr counts, edges;
};
/// How many elements of a, of any shape, are in each of `bins` intervals of one length from `low`
/// to `high`, as numpy.histogram's: counts i64[bins], edges f64[bins + 1]. An interval includes its
/// lower edge, and the last one its upper, too; what is outside, or NaN, is not counted. Equal
/// bounds are moved apart by a half each. Throws ShapeError unless `bins` is positive.
CountsAndEdges histogram(Operand a, std::int64_t bins, Operand low, Operand high);
/// From the smallest element to the largest.
CountsAndEdges histogram(Operand a, std::int64_t bins);

/// What a quantile between two elements is, as numpy.quantile's `method`.
enum class Quantile {
  linear,   ///< between them, in proportion
  lower,    ///< the smaller one
  higher,   ///< the larger one
  midpoint, ///< their mean
  nearest,  ///< the nearer one; halfway, that on an even position
};
/// The value below which a fraction q of the elements over `axes` (all of them when empty) is, as
/// numpy.quantile's, q being in [0, 1]; `keepdims` leaves dims of 1. NaN if any element is NaN.
/// Integers give f64, but with `lower`, `higher` and `nearest` their own dtype. The gradient goes
/// to the elements that the result is made of. Throws ShapeError for q outside [0, 1] and for a
/// scalar, and IndexError in a call where there are no elements.
Expr quantile(Operand a, double q, Axes axes = {}, Quantile method = Quantile::linear,
              bool keepdims = false);
/// quantile of q / 100.
Expr percentile(Operand a, double q, Axes axes = {}, Quantile method = Quantile::linear,
                bool keepdims = false);
/// The middle one of the elements, or the mean of the middle two: quantile of 0.5.
Expr median(Operand a, Axes axes = {}, bool keepdims = false);

} // namespace kroton
