#pragma once
/// Special functions, and logarithms of what would overflow, cancel or be 0 · inf. Names, order of
/// arguments and values at the edges are SciPy's unless said otherwise; error bounds are in
/// docs/numerics.md. Operands broadcast; integers give f64.
///
///   auto cost = -kt::sum(kt::xlogy(p, q));          // 0 where p is 0
///   auto odds = kt::logit(p);
#include <kroton/ops/basic.hpp>

namespace kroton {

Expr xlogy(Operand a, Operand b);   ///< a log(b), 0 where a is 0 and b a number
Expr xlog1py(Operand a, Operand b); ///< a log(1 + b), 0 where a is 0 and b a number
Expr logit(Operand a);              ///< log(a / (1 - a)), accurate about 1/2; NaN outside [0, 1]
/// log(1 - e^a), accurate for all a <= 0; NaN above (Mächler 2012).
Expr log1mexp(Operand a);
/// log(e^a + e^b), without overflow; -inf where both are -inf.
Expr logaddexp(Operand a, Operand b);
/// log(e^a - e^b), without overflow or cancellation; NaN where a < b, -inf where both are -inf.
Expr logdiffexp(Operand a, Operand b);

/// log(abs(Γ(a))); inf at 0 and negative integers, and at both infinities, as in C.
Expr lgamma(Operand a);
/// Γ'(a)/Γ(a), the derivative of lgamma; NaN at negative integers, -inf at 0 and inf at -0.
Expr digamma(Operand a);
Expr trigamma(Operand a); ///< the derivative of digamma; inf at 0 and negative integers
/// The derivative of that order of digamma. UnsupportedError for an order below 0 or above 100.
Expr polygamma(int order, Operand a);
Expr erfcx(Operand a);   ///< e^(a^2) erfc(a), without underflow
Expr erfinv(Operand a);  ///< the inverse of erf; NaN outside [-1, 1]
Expr erfcinv(Operand a); ///< the inverse of erfc, accurate for small a; NaN outside [0, 2]

} // namespace kroton
