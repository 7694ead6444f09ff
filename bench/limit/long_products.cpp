/// Products with long sums and few results, which memory bounds: stretches of 4096 terms are added
/// up in f32, their sums in f64.
#include "bench/limit/limit.hpp"
#include "bench/limit/vec.hpp"

namespace bench {
namespace {

constexpr long stretch = 4096;
using four = float __attribute__((ext_vector_type(4)));

float sum_of(vec v) {
  float sum = 0;
  for (int lane = 0; lane < lanes; ++lane) sum += v[lane];
  return sum;
}

/// R rows of a with x.
template <int R> void dots(long k, const float* a, const float* x, float* c) {
  constexpr int parts = 4 / R > 1 ? 4 / R : 1;
  double total[R] = {};
  for (long from = 0; from < k; from += stretch) {
    const long to = k - from < stretch ? k : from + stretch;
    vec sum[R][parts] = {};
    long p = from;
    for (; p + parts * lanes <= to; p += parts * lanes)
      for (int q = 0; q < parts; ++q)
        for (int r = 0; r < R; ++r)
          sum[r][q] += load(a + r * k + p + q * lanes) * load(x + p + q * lanes);
    for (int r = 0; r < R; ++r) {
      vec all = sum[r][0];
      for (int q = 1; q < parts; ++q) all += sum[r][q];
      total[r] += sum_of(all);
      for (long rest = p; rest < to; ++rest) total[r] += a[r * k + rest] * x[rest];
    }
  }
  for (int r = 0; r < R; ++r) c[r] = (float)total[r];
}

/// Four columns: each term is a row of b times M elements of a, one after the other.
template <int M> void outer(long k, const float* a, const float* b, float* c) {
  constexpr int parts = 8 / M;
  double total[4 * M] = {};
  for (long from = 0; from < k; from += stretch) {
    const long to = k - from < stretch ? k : from + stretch;
    four sum[M][parts] = {};
    long p = from;
    for (; p + parts <= to; p += parts)
      for (int q = 0; q < parts; ++q)
        for (int i = 0; i < M; ++i) sum[i][q] += a[(p + q) * M + i] * load<four>(b + 4 * (p + q));
    for (; p < to; ++p)
      for (int i = 0; i < M; ++i) sum[i][0] += a[p * M + i] * load<four>(b + 4 * p);
    for (int i = 0; i < M; ++i)
      for (int q = 0; q < parts; ++q)
        for (int j = 0; j < 4; ++j) total[4 * i + j] += sum[i][q][j];
  }
  for (int e = 0; e < 4 * M; ++e) c[e] = (float)total[e];
}

} // namespace

void long_product_f32(long m, long n, long k, const float* a, const float* b, float* c) {
  if (n == 1)
    m == 1 ? dots<1>(k, a, b, c) : dots<4>(k, a, b, c);
  else
    m == 1 ? outer<1>(k, a, b, c) : outer<4>(k, a, b, c);
}

} // namespace bench
