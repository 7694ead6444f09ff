#pragma once
/// Rounding to whole numbers, limits, and what kind of number a float is; elementwise.
///
///   auto y = kt::clip(kt::round(x), 0, 255);
#include <kroton/ops/basic.hpp>

namespace kroton {

/// @name Whole numbers, as floats; integers give f64, as with floor. The gradient is 0.
/// @{
Expr ceil(Operand a);  ///< the smallest whole number not below a
Expr round(Operand a); ///< the nearest whole number, ties to the even one
Expr trunc(Operand a); ///< the nearest whole number on the side of 0
/// @}

/// @name Remainders. Of integers, 0 where b is 0; of floats, NaN. The gradient by b is minus the
/// whole quotient.
/// @{
Expr fmod(Operand a, Operand b);      ///< of the quotient rounded towards 0, with a's sign, as C's
Expr remainder(Operand a, Operand b); ///< mod, with b's sign, as numpy.remainder and Python's %
/// @}

/// minimum(maximum(a, low), high), as numpy.clip: `high` where low > high, NaN where one of the
/// three is NaN. Either limit may be infinite. The gradient is 0 outside; at a limit, half goes to
/// a and half to the limit, as with minimum.
Expr clip(Operand a, Operand low, Operand high);

/// @name What kind of number: bool results. Integers and bool are finite numbers.
/// @{
Expr isnan(Operand a);    ///< whether a is NaN
Expr isinf(Operand a);    ///< inf or -inf
Expr isfinite(Operand a); ///< neither infinite nor NaN
/// Whether the sign bit is set: of -0 and of a NaN with that bit too. Integers: a < 0.
Expr signbit(Operand a);
/// @}
/// |a| with b's sign bit; integers give f64. The gradient is by a alone: 1 or -1, and 0 at 0.
Expr copysign(Operand a, Operand b);

} // namespace kroton
