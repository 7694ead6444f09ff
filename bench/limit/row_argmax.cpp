/// The position of the first largest element of each row: every lane keeps its own, and the lanes
/// are compared at the end.
#include "bench/limit/limit.hpp"
#include "bench/limit/rows.hpp"

namespace bench {

void row_argmax_f32(long rows, long columns, const float* x, std::int64_t* y) {
  const long whole = columns / (2 * lanes) * (2 * lanes);
  for (long r = 0; r < rows; ++r, x += columns) {
    vec top[2] = {vec(lowest), vec(lowest)};
    ivec at[2] = {ivec(0), ivec(0)}, here[2] = {lane_numbers, lane_numbers + (int)lanes};
    for (long i = 0; i < whole; i += 2 * lanes)
      for (int k = 0; k < 2; ++k) {
        const vec v = load(x + i + k * lanes);
        at[k] = v > top[k] ? here[k] : at[k];
        top[k] = max(v, top[k]);
        here[k] += (int)(2 * lanes);
      }
    float best = lowest;
    long position = 0;
    const auto consider = [&](float value, long i) {
      if (value > best || (value == best && i < position)) {
        best = value;
        position = i;
      }
    };
    const float most = max_of(max(top[0], top[1]));
    for (int k = 0; k < 2; ++k) {
      const ivec candidates = top[k] == most ? at[k] : ivec(0x7fffffff);
      const int first = __builtin_reduce_min(candidates);
      if (first != 0x7fffffff) consider(most, first);
    }
    for (long i = whole; i < columns; ++i) consider(x[i], i);
    y[r] = position;
  }
}

} // namespace bench
