/// (x - mean) / √(variance + epsilon) · gain + shift over the last axis. Mean and variance take two
/// passes over a row that the first cache holds.
#include "bench/limit/limit.hpp"
#include "bench/limit/rows.hpp"

namespace bench {

void layer_norm_f32(long rows, long columns, float epsilon, const float* gain, const float* shift,
                    const float* x, float* y) {
  const float share = 1.0f / (float)columns;
  for (long r = 0; r < rows; ++r, x += columns, y += columns) {
    const float mean = sum_of_row(x, columns) * share;
    const float variance = spread_of_row(x, columns, mean) * share;
    const float scale = 1.0f / __builtin_sqrtf(variance + epsilon);
    const long whole = columns / lanes * lanes;
    map_row(x, whole, y, [=](vec v, long i) {
      return fma((v - mean) * scale, load(gain + i), load(shift + i));
    });
    for (long i = whole; i < columns; ++i) y[i] = (x[i] - mean) * scale * gain[i] + shift[i];
  }
}

} // namespace bench
