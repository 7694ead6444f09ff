/// The sum of each column: eight rows at a time are added to sums that the first cache holds.
#include "bench/limit/limit.hpp"
#include "bench/limit/vec.hpp"

namespace bench {

void column_sums_f32(long rows, long columns, const float* x, float* y) {
  constexpr int at_once = 8;
  const long whole = columns / lanes * lanes;
  for (long i = 0; i < columns; ++i) y[i] = 0;
  long r = 0;
  for (; r + at_once <= rows; r += at_once, x += at_once * columns) {
#pragma clang loop unroll_count(2)
    for (long i = 0; i < whole; i += lanes) {
      vec v[at_once];
      for (int k = 0; k < at_once; ++k) v[k] = load(x + k * columns + i);
      store(y + i,
            load(y + i) + (((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]))));
    }
    for (long i = whole; i < columns; ++i)
      for (int k = 0; k < at_once; ++k) y[i] += x[k * columns + i];
  }
  for (; r < rows; ++r, x += columns)
    for (long i = 0; i < columns; ++i) y[i] += x[i];
}

} // namespace bench
