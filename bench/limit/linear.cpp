/// z = 2x + 3y - 1: as fast as memory is.
#include "bench/limit/elementwise.hpp"
#include "bench/limit/limit.hpp"

namespace bench {
namespace {

template <class T> void linear(long n, const T* x, const T* y, T* z) {
  elementwise(n, x, y, z, [](auto a, auto b) { return T(2) * a + (T(3) * b - T(1)); });
}

} // namespace

void linear_f32(long n, const float* x, const float* y, float* z) { linear(n, x, y, z); }
void linear_f64(long n, const double* x, const double* y, double* z) { linear(n, x, y, z); }

} // namespace bench
