/// Loops that anybody writes, for what once was slow beside what had been tuned.
#include "bench/limit/limit.hpp"

namespace bench {
namespace {

/// tanh of what is small, by its continued fraction.
template <class T> T tanh_of(T u) {
  const T v = u * u;
  return u * (135135 + v * (17325 + v * (378 + v))) / (135135 + v * (62370 + v * (3150 + v * 28)));
}

template <class T> void recurrence_gradient(const Recurrence<T>& r) {
  for (long j = 0; j < r.features; ++j) r.gradient[j] = 0;
  T* const g = r.kept + r.steps * r.features; // behind each step's h
  for (long b = 0; b < r.batch; ++b) {
    const T* const x = r.x + b * r.batch_stride;
    for (long j = 0; j < r.features; ++j) g[j] = 0;
    const T* before = g;
    for (long t = 0; t < r.steps; ++t) {
      T* const h = r.kept + t * r.features;
#pragma clang loop vectorize(assume_safety)
      for (long j = 0; j < r.features; ++j)
        h[j] = tanh_of(before[j] + x[t * r.step_stride + j] * r.w[j]);
      before = h;
    }
    for (long j = 0; j < r.features; ++j) g[j] = 1;
    for (long t = r.steps; t-- > 0;) {
      const T* const h = r.kept + t * r.features;
#pragma clang loop vectorize(assume_safety)
      for (long j = 0; j < r.features; ++j) {
        g[j] *= 1 - h[j] * h[j];
        r.gradient[j] += g[j] * x[t * r.step_stride + j];
      }
    }
  }
}

template <class T>
void subtract_rows(long count, long width, T rate, const std::int32_t* rows, const T* added,
                   T* table) {
  for (long i = 0; i < count; ++i)
    for (long j = 0; j < width; ++j) table[rows[i] * width + j] -= rate * added[i * width + j];
}

template <class T, class S>
void sums_at(long count, long rows, const std::int32_t* at, const T* added, S* sums) {
  for (long i = 0; i < rows; ++i) sums[i] = 0;
  for (long i = 0; i < count; ++i) sums[at[i]] += added[i];
}

} // namespace

void recurrence_gradient_f32(const Recurrence<float>& r) { recurrence_gradient(r); }
void recurrence_gradient_f64(const Recurrence<double>& r) { recurrence_gradient(r); }
void subtract_rows_f32(long count, long width, float rate, const std::int32_t* rows,
                       const float* added, float* table) {
  subtract_rows(count, width, rate, rows, added, table);
}
void subtract_rows_f64(long count, long width, double rate, const std::int32_t* rows,
                       const double* added, double* table) {
  subtract_rows(count, width, rate, rows, added, table);
}
void sums_at_f32(long count, long rows, const std::int32_t* at, const float* added, float* sums) {
  static double wide[1024]; // as many rows as the case has, or more
  sums_at(count, rows, at, added, wide);
  for (long i = 0; i < rows; ++i) sums[i] = static_cast<float>(wide[i]);
}
void sums_at_f64(long count, long rows, const std::int32_t* at, const double* added, double* sums) {
  sums_at(count, rows, at, added, sums);
}

} // namespace bench
