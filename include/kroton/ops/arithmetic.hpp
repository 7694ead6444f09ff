#pragma once
/// Arithmetic beyond the operators.
///
///   auto r = kt::mod(a, 3) + kt::floor_div(a, 3) * 3;   // a again
#include <kroton/ops/basic.hpp>

namespace kroton {

/// Rounds towards negative infinity, as Python's `//`; integer division by zero gives 0.
Expr floor_div(Operand a, Operand b);
/// The remainder of floor_div: it has b's sign; integer remainder by zero is 0.
Expr mod(Operand a, Operand b);
Expr neg(Operand a);
/// -1, 0 or 1 (NaN stays NaN).
Expr sign(Operand a);
/// The largest whole number not above a; floating dtypes.
Expr floor(Operand a);
/// a to the power b, as C's pow for floats; a negative integer exponent gives 0 unless |a| is 1.
Expr pow(Operand a, Operand b);

} // namespace kroton
