/// z = 2x + 3y - 1: as fast as memory is. Results larger than the caches are stored past them,
/// which saves reading what is about to be overwritten.
#include "bench/limit/limit.hpp"

namespace bench {
namespace {

constexpr long streamed_bytes = 16 << 20;

template <class T> void linear(long n, const T* x, const T* y, T* z) {
  constexpr long lanes = 64 / sizeof(T);
  using vec = T __attribute__((ext_vector_type(lanes)));
  const vec two = T(2), three = T(3), one = T(1);
  auto at = [&](long i) {
    return two * *(const vec*)(x + i) + (three * *(const vec*)(y + i) - one);
  };
  const long whole = n / lanes * lanes;
  if (n * long(sizeof(T)) >= streamed_bytes) {
    for (long i = 0; i < whole; i += lanes) __builtin_nontemporal_store(at(i), (vec*)(z + i));
    __builtin_ia32_sfence();
  } else {
#pragma clang loop unroll_count(4)
    for (long i = 0; i < whole; i += lanes) *(vec*)(z + i) = at(i);
  }
  for (long i = whole; i < n; ++i) z[i] = T(2) * x[i] + (T(3) * y[i] - T(1));
}

} // namespace

void linear_f32(long n, const float* x, const float* y, float* z) { linear(n, x, y, z); }
void linear_f64(long n, const double* x, const double* y, double* z) { linear(n, x, y, z); }

} // namespace bench
