#pragma once
/// Transcendental functions beyond the basic ones; error bounds are in docs/numerics.md. Integers
/// give f64.
///
///   auto y = kt::log1p(kt::expm1(x));
#include <kroton/ops/basic.hpp>

namespace kroton {

Expr expm1(Operand a); ///< e^a - 1, accurate near 0
Expr log1p(Operand a); ///< log(1 + a), accurate near 0
/// 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to a.
Expr erf(Operand a);
Expr erfc(Operand a);  ///< 1 - erf(a), accurate where that is near 0
Expr sinpi(Operand a); ///< sin(pi a)
Expr cospi(Operand a); ///< cos(pi a)

} // namespace kroton
