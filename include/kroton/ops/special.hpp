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

} // namespace kroton
