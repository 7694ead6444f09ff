/// Softmax over the last axis: largest element, exponentials and their sum, scaling. A row of up to
/// 16 elements stays in one register.
#include "bench/limit/limit.hpp"
#include "bench/limit/math.hpp"

namespace bench {
namespace {

void short_row(long n, const float* x, float* y) {
  const vec v = load_first(x, n, -__builtin_inff());
  const vec e = exp_of_first(v - max_of(v), n);
  store_first(y, n, e * (1.0f / sum_of(e)));
}

void long_row(long n, const float* x, float* y) {
  const long whole = n / lanes * lanes, rest = n - whole;
  const float lowest = -__builtin_inff();
  vec most[2] = {load_first(x + whole, rest, lowest), vec(lowest)};
  long i = 0;
  for (; i + 2 * lanes <= whole; i += 2 * lanes)
    for (int k = 0; k < 2; ++k) most[k] = max(most[k], load(x + i + k * lanes));
  for (; i < whole; i += lanes) most[0] = max(most[0], load(x + i));
  const float top = max_of(max(most[0], most[1]));

  vec sums[2] = {vec(0.0f), vec(0.0f)};
  for (i = 0; i + 2 * lanes <= whole; i += 2 * lanes)
    for (int k = 0; k < 2; ++k) {
      const vec e = exp_below_zero(load(x + i + k * lanes) - top);
      store(y + i + k * lanes, e);
      sums[k] += e;
    }
  for (; i < whole; i += lanes) {
    const vec e = exp_below_zero(load(x + i) - top);
    store(y + i, e);
    sums[0] += e;
  }
  const vec last = exp_of_first(load_first(x + whole, rest, lowest) - top, rest);
  sums[0] += last;
  const float scale = 1.0f / sum_of(sums[0] + sums[1]);
  for (i = 0; i < whole; i += lanes) store(y + i, load(y + i) * scale);
  store_first(y + whole, rest, last * scale);
}

} // namespace

void softmax_f32(long rows, long columns, const float* x, float* y) {
  for (long r = 0; r < rows; ++r, x += columns, y += columns)
    columns <= lanes ? short_row(columns, x, y) : long_row(columns, x, y);
}

} // namespace bench
