#pragma once
/// Powers, roots and logarithms to other bases, elementwise; error bounds are in docs/numerics.md.
///
///   auto octaves = kt::log2(f / 440);
#include <kroton/ops/basic.hpp>

namespace kroton {

/// @name Integers give f64. Logarithms of whole powers of their base and 2 to
/// whole powers are exact.
/// @{
Expr exp2(Operand a);  ///< 2^a
Expr log2(Operand a);  ///< the logarithm to base 2; NaN below 0, -inf at 0
Expr log10(Operand a); ///< the logarithm to base 10; NaN below 0, -inf at 0
Expr cbrt(Operand a);  ///< the cube root, of negative numbers too; the derivative is infinite at 0
/// sqrt(a a + b b), which neither overflows nor underflows. At (0, 0) the gradient is 0.
Expr hypot(Operand a, Operand b);
/// @}

/// a a, in a's dtype; bool is a TypeError.
Expr square(Operand a);
/// 1 / a. Integers give f64 (numpy.reciprocal divides them as integers).
Expr reciprocal(Operand a);
/// 1 / sqrt(a); integers give f64. Each of the two operations is rounded.
Expr rsqrt(Operand a);

} // namespace kroton
