/// z = tanh(a x + b) · sigmoid(c y) + log(1 + e^x), with the prelude's polynomials: the loop is
/// bound by arithmetic, and Clang vectorises it whole once it is told the width.
#include "bench/limit/limit.hpp"
#include "bench/limit/vec.hpp"

namespace bench {

void activations_f32(long n, float a, float b, float c, const float* x, const float* y, float* z) {
#pragma clang loop vectorize_width(16) interleave_count(1)
  for (long i = 0; i < n; ++i)
    z[i] = tanh_f32(fma_f32(a, x[i], b)) * sigmoid_f32(c * y[i]) + softplus_f32(x[i]);
}

} // namespace bench
