/// Chains of a hundred operations, as anybody writes them. Clang makes vectors of the outer loops.
#include "bench/limit/limit.hpp"

namespace bench {
namespace {

/// One element's steps of z² + c, as long as |z| < 2.
template <class T, int steps> inline T escape_of(T x, T y) {
  T re = x, im = y, count = 0;
#pragma clang loop unroll(full)
  for (int s = 0; s < steps; ++s) {
    const T re2 = re * re, im2 = im * im, both = 2 * re * im + y;
    const bool is_inside = re2 + im2 < 4;
    count += is_inside ? T(1) : T(0);
    re = is_inside ? re2 - im2 + x : re;
    im = is_inside ? both : im;
  }
  return count;
}

template <class T> void escape(long rows, long columns, const T* x, const T* y, T* counts) {
  for (long i = 0; i < rows; ++i)
#pragma clang loop vectorize(assume_safety)
    for (long j = 0; j < columns; ++j)
      counts[i * columns + j] = escape_of<T, 20>(x[j], rows == 1 ? y[j] : y[i]);
}

/// Blocks that the first cache holds, with all that their steps make.
template <class T>
void logistic_gradient(long n, const T* x, const T* b, T* sum, T* of_x, T* of_b) {
  constexpr int steps = 40, block = 64;
  alignas(64) static T kept[steps][block];
  double all = 0;
  for (long from = 0; from < n; from += block) {
    const int m = n - from < block ? static_cast<int>(n - from) : block;
    const T* z = x + from;
    T part = 0;
    for (int s = 0; s < steps; ++s) {
#pragma clang loop vectorize(assume_safety)
      for (int i = 0; i < m; ++i) kept[s][i] = b[from + i] * z[i] * (1 - z[i]);
      z = kept[s];
    }
    for (int i = 0; i < m; ++i) {
      part += z[i];
      of_x[from + i] = 1;
      of_b[from + i] = 0;
    }
    all += part;
    for (int s = steps; s-- > 0;) {
      const T* const before = s > 0 ? kept[s - 1] : x + from;
#pragma clang loop vectorize(assume_safety)
      for (int i = 0; i < m; ++i) {
        of_b[from + i] += of_x[from + i] * before[i] * (1 - before[i]);
        of_x[from + i] *= b[from + i] * (1 - 2 * before[i]);
      }
    }
  }
  *sum = static_cast<T>(all);
}

} // namespace

void escape_f32(long rows, long columns, const float* x, const float* y, float* counts) {
  escape(rows, columns, x, y, counts);
}
void escape_f64(long rows, long columns, const double* x, const double* y, double* counts) {
  escape(rows, columns, x, y, counts);
}
void logistic_gradient_f32(long n, const float* x, const float* b, float* sum, float* of_x,
                           float* of_b) {
  logistic_gradient(n, x, b, sum, of_x, of_b);
}

} // namespace bench
