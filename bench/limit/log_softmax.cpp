/// log(softmax(x)) over the last axis: x less the largest element and the logarithm of the sum of
/// exponentials.
#include "bench/limit/limit.hpp"
#include "bench/limit/rows.hpp"

namespace bench {

void log_softmax_f32(long rows, long columns, const float* x, float* y) {
  for (long r = 0; r < rows; ++r, x += columns, y += columns) {
    const float top = max_of_row(x, columns);
    const float shift = top + log_of_normal(vec(exponentials_of_row(x, columns, top)))[0];
    map_row(x, columns, y, [=](vec v, long) { return v - shift; });
  }
}

} // namespace bench
