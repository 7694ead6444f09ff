/// Sum, largest element, and variance of each row; the mean of everything.
#include "bench/limit/limit.hpp"
#include "bench/limit/rows.hpp"

namespace bench {

void row_sums_f32(long rows, long columns, const float* x, float* y) {
  for (long r = 0; r < rows; ++r, x += columns) y[r] = sum_of_row(x, columns);
}

void row_maxima_f32(long rows, long columns, const float* x, float* y) {
  for (long r = 0; r < rows; ++r, x += columns) y[r] = max_of_row(x, columns);
}

void row_variances_f32(long rows, long columns, const float* x, float* y) {
  const float share = 1.0f / (float)columns;
  for (long r = 0; r < rows; ++r, x += columns)
    y[r] = spread_of_row(x, columns, sum_of_row(x, columns) * share) * share;
}

/// Stretches of 4096 elements are added up in f32, their sums in f64.
void mean_f32(long n, const float* x, float* y) {
  constexpr long stretch = 4096;
  double sum = 0;
  for (long i = 0; i < n; i += stretch) sum += sum_of_row(x + i, n - i < stretch ? n - i : stretch);
  *y = (float)(sum / (double)n);
}

} // namespace bench
