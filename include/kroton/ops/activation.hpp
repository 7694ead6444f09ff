#pragma once
/// Activation functions of neural networks; error bounds are in docs/numerics.md. Integers give
/// f64.
///
///   auto h = kt::gelu(kt::dot(x, w) + b);
#include <kroton/ops/basic.hpp>

namespace kroton {

Expr softplus(Operand a); ///< log(1 + e^a), without overflow
/// a Φ(a), Φ the normal distribution's cumulative function: approximated, or exactly by erf. The
/// approximation is a / 2 * (1 + tanh(sqrt(2 / pi) * (a + 0.044715 a^3))), within 5e-4 of the other
/// (Hendrycks and Gimpel 2016). NaN at -inf.
Expr gelu(Operand a, bool approximate = true);
/// slope * a + offset, no less than 0 and no more than 1. Theano's has slope 0.2.
Expr hard_sigmoid(Operand a, double slope = 1.0 / 6, double offset = 0.5);
Expr softsign(Operand a);                        ///< a / (1 + abs(a)); NaN at infinities
Expr leaky_relu(Operand a, double slope = 0.01); ///< a, slope * a below 0
/// a, alpha (e^a - 1) below 0 (Clevert et al. 2016).
Expr elu(Operand a, double alpha = 1.0);
/// elu scaled, with the constants that keep mean 0 and variance 1 (Klambauer et al. 2017).
Expr selu(Operand a);
/// a sigmoid(a), also known as swish; NaN at -inf.
Expr silu(Operand a);
/// a tanh(log(1 + e^a)) (Misra 2019); NaN at -inf.
Expr mish(Operand a);

} // namespace kroton
