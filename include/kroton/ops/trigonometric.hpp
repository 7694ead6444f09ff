#pragma once
/// Trigonometric and hyperbolic functions, elementwise; error bounds are in docs/numerics.md.
/// Integers give f64.
///
///   auto y = kt::sin(kt::deg2rad(angle));
#include <kroton/ops/basic.hpp>

namespace kroton {

/// @name Of an angle in radians. Arguments of any size are reduced exactly; infinities give NaN.
/// @{
Expr sin(Operand a);
Expr cos(Operand a);
Expr tan(Operand a);
/// @}

/// @name Their inverses, in radians. NaN outside of [-1, 1], but for atan.
/// @{
Expr asin(Operand a); ///< from -pi/2 to pi/2; the derivative is infinite at -1 and 1
Expr acos(Operand a); ///< from 0 to pi; the derivative is infinite at -1 and 1
Expr atan(Operand a); ///< from -pi/2 to pi/2
/// The angle of the point (b, a), from -pi to pi, as C's and NumPy's, with their signs of zeros. At
/// the origin its gradient is NaN.
Expr atan2(Operand a, Operand b);
/// @}

/// @name Hyperbolic functions (tanh is a basic one) and their inverses.
/// @{
Expr sinh(Operand a);
Expr cosh(Operand a);
Expr asinh(Operand a);
Expr acosh(Operand a); ///< NaN below 1, where the derivative is infinite
Expr atanh(Operand a); ///< NaN outside of [-1, 1], infinite at the ends
/// @}

Expr deg2rad(Operand a); ///< a pi / 180, rounded as one product
Expr rad2deg(Operand a); ///< a 180 / pi, rounded as one product

} // namespace kroton
