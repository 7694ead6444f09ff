/// A training step of softmax regression with 10 classes, in blocks of 32 rows that stay in the
/// second cache between their two products. Vectors run along the features in both, so that no lane
/// is padding; w is transposed for that.
///   scores = x · w + b    2 rows × 10 classes of vector accumulators, lanes summed at the end
///   d = (softmax(scores) - one_hot(labels)) rate / rows      16 rows at once
///   w -= xᵀ · d           10 classes × 2 vectors of features
#include "bench/limit/limit.hpp"
#include "bench/limit/layers.hpp"

namespace bench {
namespace {

constexpr int block = 32, features = 784;
static_assert(features % (2 * lanes) == lanes);

/// The sum of the lanes of v[i] in lane i: halves are added until one vector is left.
vec lane_sums(const vec (&v)[16]) {
  vec a[8], b[4];
  for (int i = 0; i < 8; ++i)
    a[i] = __builtin_shufflevector(v[i], v[i + 8], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21,
                                   22, 23) +
           __builtin_shufflevector(v[i], v[i + 8], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28,
                                   29, 30, 31);
  for (int i = 0; i < 4; ++i)
    b[i] = __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25,
                                   26, 27) +
           __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28,
                                   29, 30, 31);
  // The four lane groups of b[i] belong to the vectors i, i + 4, i + 8 and i + 12.
  vec c[2];
  for (int i = 0; i < 2; ++i)
    c[i] = __builtin_shufflevector(b[i], b[i + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13,
                                   28, 29) +
           __builtin_shufflevector(b[i], b[i + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14,
                                   15, 30, 31);
  return __builtin_shufflevector(c[0], c[1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14,
                                 30) +
         __builtin_shufflevector(c[0], c[1], 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15,
                                 31);
}

/// w[c][p] = from[p][c], 16 features at a time.
void read_transposed(const float* from, float (*w)[features]) {
  for (int p = 0; p < features; p += lanes) {
    vec tile[16];
    for (int i = 0; i < 16; ++i) tile[i] = load_first(from + (p + i) * classes, classes, 0.0f);
    transpose(tile);
    for (int c = 0; c < classes; ++c) store(w[c] + p, tile[c]);
  }
}

/// to[p][c] = w[c][p].
void write_transposed(const float (*w)[features], float* to) {
  for (int p = 0; p < features; p += lanes) {
    vec tile[16];
    for (int c = 0; c < 16; ++c) tile[c] = c < classes ? load(w[c] + p) : vec(0.0f);
    transpose(tile);
    for (int i = 0; i < 16; ++i) store_first(to + (p + i) * classes, classes, tile[i]);
  }
}

/// scores[r][c] = bias[c] + Σ over p of x[r][p] w[c][p], two rows at a time; where the second one
/// is not there, the first one is taken twice.
void products(const float* x, long rows, const float (*w)[features], vec bias,
              float (*scores)[lanes]) {
  for (long r = 0; r < rows; r += 2) {
    const float *x0 = x + r * features, *x1 = r + 1 < rows ? x0 + features : x0;
    vec s0[16], s1[16];
    for (int c = 0; c < 16; ++c) s0[c] = s1[c] = vec(0.0f);
    for (int p = 0; p < features; p += lanes) {
      const vec a = load(x0 + p), b = load(x1 + p);
      for (int c = 0; c < classes; ++c) {
        const vec v = load(w[c] + p);
        s0[c] = fma(a, v, s0[c]);
        s1[c] = fma(b, v, s1[c]);
      }
    }
    store(scores[r], lane_sums(s0) + bias);
    store(scores[r + 1], lane_sums(s1) + bias);
  }
}

/// w[c][p…] -= Σ over r of d[r][c] x[r][p…] for `V` vectors of features; the next block is asked
/// for meanwhile.
template <int V>
void descend(const float* x, long rows, int p, const float (*d)[lanes], float (*w)[features]) {
  vec sum[classes][V];
  for (int c = 0; c < classes; ++c)
    for (int v = 0; v < V; ++v) sum[c][v] = load(w[c] + p + v * lanes);
  x += p;
  for (long r = 0; r < rows; ++r, x += features) {
    vec right[V];
    for (int v = 0; v < V; ++v) {
      right[v] = load(x + v * lanes);
      __builtin_prefetch(x + block * features + v * lanes, 0, 2);
    }
    for (int c = 0; c < classes; ++c)
      for (int v = 0; v < V; ++v) sum[c][v] = fma(vec(-d[r][c]), right[v], sum[c][v]);
  }
  for (int c = 0; c < classes; ++c)
    for (int v = 0; v < V; ++v) store(w[c] + p + v * lanes, sum[c][v]);
}

struct Scratch {
  alignas(64) float w[classes][features], updated[classes][features], scores[block][lanes];
  int labels[block];
};

} // namespace

void logistic_step(const LogisticStep& s) {
  static thread_local Scratch t;
  read_transposed(s.w, t.w);
  __builtin_memcpy(t.updated, t.w, sizeof t.w);
  const vec bias = load_first(s.b, classes, 0.0f);
  vec next_bias = bias, loss = 0.0f;
  for (long first = 0; first < s.rows; first += block) {
    const float* x = s.x + first * features;
    const long rows = s.rows - first < block ? s.rows - first : block;
    for (long r = 0; r < block; ++r) t.labels[r] = r < rows ? s.labels[first + r] : 0;
    products(x, rows, t.w, bias, t.scores);
    for (int r = 0; r < rows; r += lanes) {
      const vec share = lane_numbers + r < (int)rows ? vec(s.rate / (float)s.rows) : vec(0.0f);
      const RowResults results = cross_entropy(t.scores[r], t.labels + r, share);
      loss += results.losses;
      for (int i = 0; i < lanes && r + i < rows; ++i)
        s.predicted[first + r + i] = results.predicted[i];
    }
    for (long r = 0; r < rows; ++r) next_bias -= load(t.scores[r]);
    for (int p = 0; p + lanes < features; p += 2 * lanes)
      descend<2>(x, rows, p, t.scores, t.updated);
    descend<1>(x, rows, features - lanes, t.scores, t.updated);
  }
  *s.loss = sum_of(loss) / s.rate;
  write_transposed(t.updated, s.w);
  store_first(s.b, classes, next_bias);
}

} // namespace bench
