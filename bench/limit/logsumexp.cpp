/// log(sum(exp(x))) over the last axis.
#include "bench/limit/limit.hpp"
#include "bench/limit/rows.hpp"

namespace bench {

void logsumexp_f32(long rows, long columns, const float* x, float* y) {
  for (long r = 0; r < rows; ++r, x += columns) {
    const float top = max_of_row(x, columns);
    y[r] = top + log_of_normal(vec(exponentials_of_row(x, columns, top)))[0];
  }
}

} // namespace bench
