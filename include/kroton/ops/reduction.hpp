#pragma once
/// Reductions beyond the basic ones, over `axes` (all of them when empty); `keepdims` leaves dims
/// of 1.
///
///   auto n = kt::logsumexp(x, {0, 1});
#include <kroton/ops/basic.hpp>

namespace kroton {

/// The position (i64) of the first smallest element along one axis; a NaN counts as smallest.
/// Throws as argmax does.
Expr argmin(Operand a, int axis = -1, bool keepdims = false);
/// log(sum(exp(a))), without overflow; integers give f64.
Expr logsumexp(Operand a, Axes axes = {-1}, bool keepdims = false);

} // namespace kroton
