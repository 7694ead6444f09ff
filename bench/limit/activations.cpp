/// z = tanh(a x + b) · sigmoid(c y) + log(1 + e^x), bound by arithmetic. tanh is a quotient p / q
/// and sigmoid 1 / d, so that one reciprocal of q d serves both; log(1 + e^x) is max(x, 0) +
/// log1p(e^-|x|) by a polynomial.
#include "bench/limit/elementwise.hpp"
#include "bench/limit/limit.hpp"
#include "bench/limit/vec.hpp"

namespace bench {
namespace {

/// log(1 + e^x). The polynomial is log1p(z) / z for z in [0, 1], with a relative error of 2^-27.
vec softplus(vec x) {
  const vec z = exp_below_zero(-__builtin_elementwise_abs(x));
  const vec p =
      polynomial(z, 1.0f, -0x1.ffffbep-2f, 0x1.554c8p-2f, -0x1.ff0f88p-3f, 0x1.92f698p-3f,
                 -0x1.397564p-3f, 0x1.b25364p-4f, -0x1.d29ccep-5f, 0x1.453f0ep-6f, -0x1.a93362p-9f);
  return fma(z, p, max(x, vec(0.0f)));
}

/// tanh(x) · sigmoid(y); where sigmoid is below 1e-34, 1e-34 stands for it.
vec gate(vec x, vec y) {
  const Quotient t = tanh_quotient(x);
  const vec d = 1.0f + exp_within(min(max(-y, vec(-78.0f)), vec(78.0f)));
  return t.p * reciprocal(t.q * d);
}

} // namespace

void activations_f32(long n, float a, float b, float c, const float* x, const float* y, float* z) {
  elementwise(n, x, y, z,
              [=](vec p, vec q) { return gate(fma(vec(a), p, vec(b)), c * q) + softplus(p); });
}

} // namespace bench
