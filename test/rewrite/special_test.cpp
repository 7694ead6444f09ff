/// What the whole pipeline makes of formulas that have a special function of their own: several
/// rules meet there, and the first to fire must not hide the others.
#include <kroton/core.hpp>
#include <kroton/ops/activation.hpp>
#include <kroton/ops/special.hpp>
#include <kroton/ops/transcendental.hpp>

#include "test/support/rewrite.hpp"

namespace kroton::test {

TEST_CASE("logarithms of what cancels become functions of their own", "[rewrite]") {
  const Expr x = tensor<float>({3, 4}, "x");
  CHECK_REWRITE(log(1 - exp(x)), log1mexp(x) + 0.0);
  CHECK_REWRITE(log(-expm1(x)), log1mexp(x) + 0.0);
  CHECK_REWRITE(log(x / (1 - x)), logit(x));
  CHECK_REWRITE(log(x) - log(1 - x), logit(x));
  CHECK_REWRITE(log(1 - sigmoid(x)), 0.0 - softplus(x));
  CHECK_UNCHANGED(log(x / (2 - x)));
}

TEST_CASE("tails of the error function keep their digits", "[rewrite]") {
  const Expr x = tensor<float>({3, 4}, "x");
  CHECK_REWRITE(1 - erf(x), erfc(x));
  CHECK_REWRITE(1 + erf(x), erfc(-x));
  CHECK_REWRITE(exp(x * x) * erfc(x), erfcx(x));
  CHECK_UNCHANGED(exp(x * x) * erf(x));
}

} // namespace kroton::test
