#pragma once
/// Folds over one row, for the hand-written cases that reduce rows.
///
///   const float top = fold_row(x, n, lowest, max, [](vec a, vec v) { return max(a, v); })
#include "bench/limit/math.hpp"

namespace bench {

constexpr float lowest = -__builtin_inff();

/// `step(a, v)` takes a vector of elements into one of four accumulators, which `start` at a
/// neutral value; `join` folds accumulators, and at last lanes.
template <class Join, class Step>
[[gnu::always_inline]] inline float fold_row(const float* x, long n, float start, Join join,
                                             Step step) {
  vec a[4] = {vec(start), vec(start), vec(start), vec(start)};
  long i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes)
    for (int k = 0; k < 4; ++k) a[k] = step(a[k], load(x + i + k * lanes));
  for (; i + lanes <= n; i += lanes) a[0] = step(a[0], load(x + i));
  if (i < n) {
    const ivec is_there = lane_numbers < (int)(n - i);
    a[1] = is_there ? step(a[1], load_first(x + i, n - i, 0.0f)) : a[1];
  }
  return folded(join(join(a[0], a[1]), join(a[2], a[3])), join);
}

[[gnu::always_inline]] inline float max_of_row(const float* x, long n) {
  return fold_row(x, n, lowest, max, max);
}
[[gnu::always_inline]] inline float sum_of_row(const float* x, long n) {
  return fold_row(x, n, 0.0f, plus, plus);
}
/// Σ (x - center)².
[[gnu::always_inline]] inline float spread_of_row(const float* x, long n, float center) {
  return fold_row(x, n, 0.0f, plus, [=](vec a, vec v) { return fma(v - center, v - center, a); });
}
/// Σ exp(x - top), where no element is above `top`.
[[gnu::always_inline]] inline float exponentials_of_row(const float* x, long n, float top) {
  return fold_row(x, n, 0.0f, plus, [=](vec a, vec v) { return a + exp_below_zero(v - top); });
}

/// y = map(v, i) for all vectors v = x[i…] of a row.
template <class Map>
[[gnu::always_inline]] inline void map_row(const float* x, long n, float* y, Map map) {
  long i = 0;
#pragma clang loop unroll_count(4)
  for (; i + lanes <= n; i += lanes) store(y + i, map(load(x + i), i));
  if (i < n) store_first(y + i, n - i, map(load_first(x + i, n - i, 0.0f), i));
}

} // namespace bench
