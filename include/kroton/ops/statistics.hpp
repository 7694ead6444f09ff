#pragma once
/// Products, truth values, spreads, lengths, and reductions that take no notice of NaNs, over
/// `axes` (all of them when empty); `keepdims` leaves dims of 1.
///
///   auto z = (x - kt::mean(x, {0})) / kt::stddev(x, {0});
#include <cstdint>

#include <kroton/ops/basic.hpp>

namespace kroton {

/// @name The same as in basic.hpp, in a dtype of one's own: elements are converted before they are
/// folded. Throws TypeError for bool.
/// @{
Expr sum(Operand a, Axes axes, bool keepdims, DType dtype);
Expr mean(Operand a, Axes axes, bool keepdims, DType dtype);
/// @}

/// The product; integers and bool in i64 (u64 for unsigned), or in `dtype`. Of nothing: 1. First
/// and second derivatives are right wherever elements are zero.
Expr prod(Operand a, Axes axes = {}, bool keepdims = false);
Expr prod(Operand a, Axes axes, bool keepdims, DType dtype);
/// Whether any, or every, element is true: not zero, if they are numbers; NaN is not zero. Of
/// nothing: false, true. The result is bool.
Expr any(Operand a, Axes axes = {}, bool keepdims = false);
Expr all(Operand a, Axes axes = {}, bool keepdims = false);
/// How many elements are not zero, as i64.
Expr count_nonzero(Operand a, Axes axes = {}, bool keepdims = false);
/// max(a) - min(a), in a's dtype; bool is refused with TypeError.
Expr ptp(Operand a, Axes axes = {}, bool keepdims = false);

/// The mean square distance from the mean, sum((a - mean(a))^2) / (n - ddof), as numpy.var's;
/// integers give f64. The mean is subtracted from elements that are far from zero without losing
/// their spread (ADR 0032). If n <= ddof it is infinite or NaN.
Expr var(Operand a, Axes axes = {}, bool keepdims = false, std::int64_t ddof = 0);
/// sqrt(var(a)): numpy.std, under a name that is no namespace.
Expr stddev(Operand a, Axes axes = {}, bool keepdims = false, std::int64_t ddof = 0);
/// The length of vectors, sum(|a|^order)^(1/order), as numpy.linalg.vector_norm's: of all elements
/// when `axes` is empty, whatever the rank. Order inf is max(|a|), -inf min(|a|), 0 how many are
/// not zero. Integers give f64. Throws ShapeError for NaN.
Expr norm(Operand a, double order = 2, Axes axes = {}, bool keepdims = false);
/// sum(a * weights) / sum(weights). Weights have a's shape, or are a vector along the one axis that
/// `axes` names. Throws ShapeError if they do not fit.
Expr average(Operand a, Operand weights, Axes axes = {}, bool keepdims = false);

/// @name As if there were no NaNs. Where every element is NaN: nansum 0, nanprod 1, the positions
/// -1, the others NaN. Of integers and bool: as without.
/// @{
Expr nansum(Operand a, Axes axes = {}, bool keepdims = false);
Expr nanprod(Operand a, Axes axes = {}, bool keepdims = false);
Expr nanmean(Operand a, Axes axes = {}, bool keepdims = false);
Expr nanmax(Operand a, Axes axes = {}, bool keepdims = false);
Expr nanmin(Operand a, Axes axes = {}, bool keepdims = false);
Expr nanvar(Operand a, Axes axes = {}, bool keepdims = false, std::int64_t ddof = 0);
Expr nanstd(Operand a, Axes axes = {}, bool keepdims = false, std::int64_t ddof = 0);
Expr nanargmax(Operand a, int axis = -1, bool keepdims = false);
Expr nanargmin(Operand a, int axis = -1, bool keepdims = false);
/// @}

} // namespace kroton
