#pragma once
/// Activation functions of neural networks; error bounds are in docs/numerics.md. Integers give
/// f64.
///
///   auto h = kt::gelu(kt::dot(x, w) + b);
#include <kroton/ops/basic.hpp>

namespace kroton {

Expr softplus(Operand a); ///< log(1 + e^a), without overflow
/// a / 2 * (1 + tanh(sqrt(2 / pi) * (a + 0.044715 a^3))): within 5e-4 of a times the normal
/// distribution's cumulative function (Hendrycks and Gimpel 2016). Integers give f64; NaN at -inf.
Expr gelu(Operand a);

} // namespace kroton
