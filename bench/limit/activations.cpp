/// z = tanh(a x + b) · sigmoid(c y) + log(1 + e^x), bound by arithmetic. tanh is a quotient p / q
/// and sigmoid 1 / d, so that one reciprocal of q d serves both; log(1 + e^x) is max(x, 0) +
/// log1p(e^-|x|) by a polynomial.
#include "bench/limit/elementwise.hpp"
#include "bench/limit/limit.hpp"
#include "bench/limit/math.hpp"

namespace bench {
namespace {

/// log(1 + e^x). The polynomial is log1p(z) / z for z in [0, 1], with a relative error of 2^-27.
wide softplus(wide x) {
  const wide z = exp_below_zero(-__builtin_elementwise_abs(x));
  const wide p =
      polynomial(z, 1.0f, -0x1.ffffbep-2f, 0x1.554c8p-2f, -0x1.ff0f88p-3f, 0x1.92f698p-3f,
                 -0x1.397564p-3f, 0x1.b25364p-4f, -0x1.d29ccep-5f, 0x1.453f0ep-6f, -0x1.a93362p-9f);
  return fma(z, p, max(x, wide(0.0f)));
}

/// tanh(x) · sigmoid(y); where sigmoid is below 1e-34, 1e-34 stands for it.
wide gate(wide x, wide y) {
  const Quotient<wide> t = tanh_quotient(x);
  const wide d = 1.0f + exp_within(min(max(-y, wide(-78.0f)), wide(78.0f)));
  return t.p * reciprocal(t.q * d);
}

} // namespace

void activations_f32(long n, float a, float b, float c, const float* x, const float* y, float* z) {
  elementwise<sizeof(wide)>(n, x, y, z, [=](wide p, wide q) {
    return gate(fma(wide(a), p, wide(b)), c * q) + softplus(p);
  });
}

} // namespace bench
