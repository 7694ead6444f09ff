/// Sums that keep short axes, and points as one writes them by hand: each component an array.
#include "bench/limit/limit.hpp"

namespace bench {
namespace {

/// What all points, each weighed by its mass, do to each: with distances no shorter than 1/32.
template <class T>
void forces(long n, const T* __restrict points, const T* __restrict mass, T* __restrict out) {
#pragma clang fp reassociate(on)
  const T *x = points, *y = x + n, *z = y + n;
  for (long i = 0; i < n; ++i) {
    T fx = 0, fy = 0, fz = 0;
    for (long j = 0; j < n; ++j) {
      const T dx = x[j] - x[i], dy = y[j] - y[i], dz = z[j] - z[i];
      const T square = dx * dx + dy * dy + dz * dz + T(1) / 1024;
      const T w = mass[j] / (square * __builtin_elementwise_sqrt(square));
      fx += dx * w, fy += dy * w, fz += dz * w;
    }
    out[i] = fx, out[n + i] = fy, out[2 * n + i] = fz;
  }
}

/// Over the middle axis of [outer, n, inner]: 64 elements at a time in T, their sums in f64.
template <class T>
void middle_sums(long outer, long n, long inner, const T* __restrict x, T* __restrict out) {
  constexpr long most = 1024;
  for (long o = 0; o < outer; ++o, x += n * inner, out += inner) {
    double sums[most] = {};
    for (long begin = 0; begin < n; begin += 64) {
      T part[most] = {};
      for (long i = begin; i < n && i < begin + 64; ++i)
        for (long j = 0; j < inner; ++j) part[j] += x[i * inner + j];
      for (long j = 0; j < inner; ++j) sums[j] += part[j];
    }
    for (long j = 0; j < inner; ++j) out[j] = static_cast<T>(sums[j]);
  }
}

} // namespace

void forces_f32(long n, const float* points, const float* mass, float* out) {
  forces(n, points, mass, out);
}
void forces_f64(long n, const double* points, const double* mass, double* out) {
  forces(n, points, mass, out);
}
void middle_sums_f32(long outer, long n, long inner, const float* x, float* out) {
  middle_sums(outer, n, inner, x, out);
}
void middle_sums_f64(long outer, long n, long inner, const double* x, double* out) {
  middle_sums(outer, n, inner, x, out);
}

} // namespace bench
