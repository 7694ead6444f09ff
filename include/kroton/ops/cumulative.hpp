#pragma once
/// Running folds along one axis: element i of the result is made of elements 0 to i. The shape is
/// the argument's. All throw ShapeError for a scalar.
///
///   auto drawdown = kt::cummax(prices) - prices;
#include <kroton/ops/basic.hpp>

namespace kroton {

/// Running sums, as numpy.cumsum's. Integers and bool are summed in i64 (u64 for unsigned), f32 in
/// f64, each sum being rounded once.
Expr cumsum(Operand a, int axis = -1);
/// Running products, as numpy.cumprod's, in the dtypes of cumsum. The gradient is exact where
/// elements are zero.
Expr cumprod(Operand a, int axis = -1);
/// The largest, or smallest, element so far; NaN from the first NaN on. The dtype is a's. Of equal
/// elements the last one gets the gradient.
Expr cummax(Operand a, int axis = -1);
Expr cummin(Operand a, int axis = -1);
/// log(cumsum(exp(a))), without overflow, as numpy.logaddexp.accumulate; integers give f64.
Expr logcumsumexp(Operand a, int axis = -1);

/// s with s[i] = a[i] * s[i-1] + b[i] along one axis, s[0] = b[0]: discounted sums, averages that
/// decay, filters of first order. With `reverse` s[i] = a[i] * s[i+1] + b[i], the last being b's.
/// a and b broadcast and are promoted to one dtype, integers to i64 or u64; f32 is kept in f64.
Expr linear_recurrence(Operand a, Operand b, int axis = -1, bool reverse = false);

/// Differences of neighbours along one axis, `n` times, as numpy.diff's; of bool, whether they
/// differ. The axis is shorter by n (empty at least). Throws ShapeError for n below 0.
Expr diff(Operand a, int n = 1, int axis = -1);
/// The integral of y along one axis by the trapezoidal rule, as numpy.trapezoid's: with points
/// `dx` apart. Integers give f64.
Expr trapezoid(Operand y, Operand dx = 1.0, int axis = -1);

} // namespace kroton
