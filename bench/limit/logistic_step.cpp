/// A training step of softmax regression with 10 classes. Vectors run along the long axes, so that
/// no lane is padding: along the features in both products, which needs w transposed.
///   scores = x · w:   2 rows × 10 classes of vector accumulators, summed over their lanes at the
///   end d = softmax(scores + b) - one_hot(labels), with loss and predictions, 16 rows at a time w
///   -= rate/rows · xᵀ · d:   10 classes × 2 vectors of features held in registers over all rows
#include "bench/limit/limit.hpp"
#include "bench/limit/layers.hpp"

#include <vector>

namespace bench {
namespace {

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

/// w[c][p] = s.w[p][c], 16 features at a time.
void read_transposed(const LogisticStep& s, float* w) {
  long p = 0;
  for (; p + lanes <= s.features; p += lanes) {
    vec tile[16];
    for (int i = 0; i < 16; ++i) tile[i] = load_first(s.w + (p + i) * classes, classes, 0.0f);
    transpose(tile);
    for (int c = 0; c < classes; ++c) store(w + c * s.features + p, tile[c]);
  }
  for (; p < s.features; ++p)
    for (long c = 0; c < classes; ++c) w[c * s.features + p] = s.w[p * classes + c];
}

/// s.w[p][c] = w[c][p].
void write_transposed(const LogisticStep& s, const float* w) {
  long p = 0;
  for (; p + lanes <= s.features; p += lanes) {
    vec tile[16];
    for (int c = 0; c < 16; ++c) tile[c] = c < classes ? load(w + c * s.features + p) : vec(0.0f);
    transpose(tile);
    for (int i = 0; i < 16; ++i) store_first(s.w + (p + i) * classes, classes, tile[i]);
  }
  for (; p < s.features; ++p)
    for (long c = 0; c < classes; ++c) s.w[p * classes + c] = w[c * s.features + p];
}

/// scores[r][c] = sum over k of x[r][k] w[c][k]; columns 10 to 15 of the scores are 0.
void products(long rows, long k, const float* x, const float* w, float* scores) {
  const long whole = k / lanes * lanes, rest = k - whole;
  for (long r = 0; r < rows; r += 2) {
    const float* x0 = x + r * k;
    const float* x1 = r + 1 < rows ? x0 + k : x0;
    vec s0[16], s1[16];
    for (int c = 0; c < 16; ++c) s0[c] = s1[c] = vec(0.0f);
    for (long p = 0; p < whole; p += lanes) {
      const vec a = load(x0 + p), b = load(x1 + p);
      for (int c = 0; c < classes; ++c) {
        const vec v = load(w + c * k + p);
        s0[c] += a * v;
        s1[c] += b * v;
      }
    }
    if (rest) {
      const vec a = load_first(x0 + whole, rest, 0), b = load_first(x1 + whole, rest, 0);
      for (int c = 0; c < classes; ++c) {
        const vec v = load_first(w + c * k + whole, rest, 0);
        s0[c] += a * v;
        s1[c] += b * v;
      }
    }
    store(scores + r * lanes, lane_sums(s0));
    store(scores + (r + 1) * lanes, lane_sums(s1));
  }
}

/// Turns scores into gradients of the scores, in place, and adds up losses and bias gradients.
double row_pass(const LogisticStep& s, float* scores, vec& bias_gradient) {
  const vec bias = load_first(s.b, classes, -__builtin_inff());
  const float scale = s.rate / static_cast<float>(s.rows);
  double loss = 0;
  for (long r = 0; r < s.rows; ++r) {
    const vec v = load(scores + r * lanes) + bias;
    const float top = max_of(v);
    const vec e = exp_of_first(v - top, classes);
    const float sum = sum_of(e);
    const long label = s.labels[r];
    s.predicted[r] = __builtin_ctz((unsigned)__builtin_bit_cast(
        unsigned short,
        __builtin_convertvector(v == top, bool __attribute__((ext_vector_type(16))))));
    loss += static_cast<double>(log_of_normal(vec(sum))[0] -
                                (scores[r * lanes + label] + s.b[label] - top));
    const ivec hit = lane_numbers == ivec((int)label);
    const vec d =
        (e * (1.0f / sum) + __builtin_bit_cast(vec, hit & __builtin_bit_cast(ivec, vec(-1.0f)))) *
        scale;
    store(scores + r * lanes, d);
    bias_gradient += d;
  }
  return loss / static_cast<double>(s.rows);
}

/// w[c][p…] -= sum over r of d[r][c] x[r][p…] for `V` vectors of features.
template <int V> void update_tile(const LogisticStep& s, long p, const float* d, float* w) {
  vec sum[classes][V];
  for (int c = 0; c < classes; ++c)
    for (int v = 0; v < V; ++v) sum[c][v] = vec(0.0f);
  const float* x = s.x + p;
  for (long r = 0; r < s.rows; ++r, x += s.features, d += lanes) {
    vec right[V];
    for (int v = 0; v < V; ++v) right[v] = load(x + v * lanes);
    for (int c = 0; c < classes; ++c)
      for (int v = 0; v < V; ++v) sum[c][v] += vec(d[c]) * right[v];
  }
  for (int c = 0; c < classes; ++c)
    for (int v = 0; v < V; ++v) {
      float* to = w + c * s.features + p + v * lanes;
      store(to, load(to) - sum[c][v]);
    }
}

} // namespace

void logistic_step(const LogisticStep& s) {
  static thread_local std::vector<float> transposed, scores;
  transposed.resize(static_cast<std::size_t>(classes * s.features));
  scores.resize(static_cast<std::size_t>((s.rows + 1) * lanes));
  float* w = transposed.data();
  read_transposed(s, w);

  products(s.rows, s.features, s.x, w, scores.data());
  vec bias_gradient = vec(0.0f);
  *s.loss = static_cast<float>(row_pass(s, scores.data(), bias_gradient));

  long p = 0;
  for (; p + 2 * lanes <= s.features; p += 2 * lanes) update_tile<2>(s, p, scores.data(), w);
  for (; p + lanes <= s.features; p += lanes) update_tile<1>(s, p, scores.data(), w);
  for (; p < s.features; ++p)
    for (long c = 0; c < classes; ++c)
      for (long r = 0; r < s.rows; ++r)
        w[c * s.features + p] -=
            s.x[r * s.features + p] * scores[static_cast<std::size_t>(r * lanes + c)];

  write_transposed(s, w);
  for (long c = 0; c < classes; ++c) s.b[c] -= bias_gradient[c];
}

} // namespace bench
