/// A training step of the perceptron 784-500-10. Nearly all of it is two products with the first
/// layer's weights, which pass through the second cache once in each:
///   h = tanh(x · w1 + b1), 32 units at a time, whose weights are copied together first
///   w1 -= rate xᵀ · d1, 14 features at a time, whose columns of x are copied together first
/// The second layer is small, and its weights are kept padded and transposed for the step.
#include "bench/limit/layers.hpp"
#include "bench/limit/limit.hpp"

namespace bench {
namespace {

constexpr int features = 784, hidden = 500, padded = 512, panel = 2 * lanes;
constexpr int most_rows = 64; ///< of a batch; missing ones are zeros

struct Scratch {
  alignas(64) float w1[features][panel];     ///< 32 columns
  float h[padded / panel][most_rows][panel]; ///< hidden units in panels of 32 columns
  float d1[padded / panel][most_rows][panel];
  float x[most_rows][14]; ///< 14 features
  float w2[padded][lanes], w2_transposed[classes][padded], gradient[padded][lanes];
  float scores[most_rows][lanes];
  int labels[most_rows];
};

/// How many of a panel's columns there are: the last one is cut short.
int columns_of(int p) { return hidden - p * panel < panel ? hidden - p * panel : (int)panel; }

vec load_columns(const float* from, int v, int columns) {
  const int rest = columns - v * (int)lanes;
  return rest >= lanes ? load(from + v * lanes)
                       : load_first(from + v * lanes, rest > 0 ? rest : 0, 0);
}
void store_columns(float* to, int v, int columns, vec value) {
  const int rest = columns - v * (int)lanes;
  if (rest >= lanes)
    store(to + v * lanes, value);
  else if (rest > 0)
    store_first(to + v * lanes, rest, value);
}

/// Panel p of h for 60 rows, 12 at a time.
void forward(const PerceptronStep& s, int p, Scratch& t) {
  const int columns = columns_of(p);
  for (int k = 0; k < features; ++k)
    for (int v = 0; v < 2; ++v)
      store(&t.w1[k][v * lanes], load_columns(s.w1 + k * hidden + p * panel, v, columns));
  for (int r = 0; r < perceptron_rows; r += 12) {
    vec sum[12][2];
    for (auto& row : sum)
      for (int v = 0; v < 2; ++v) row[v] = load_columns(s.b1 + p * panel, v, columns);
    multiply<12, 2, features, features, 1>(s.x + r * features, t.w1[0], sum);
    for (int i = 0; i < 12; ++i)
      for (int v = 0; v < 2; ++v) store(&t.h[p][r + i][v * lanes], tanh(sum[i][v]));
  }
}

/// Adds panel p's share of the scores, h · w2.
void add_scores(int p, Scratch& t) {
  for (int r = 0; r < perceptron_rows; r += 12) {
    vec sum[12][1];
    for (int i = 0; i < 12; ++i) sum[i][0] = load(t.scores[r + i]);
    multiply<12, 1, panel, panel, 1>(t.h[p][r], t.w2[p * panel], sum);
    for (int i = 0; i < 12; ++i) store(t.scores[r + i], sum[i][0]);
  }
}

/// Panel p of d1 = (d2 · w2ᵀ)(1 - h²), of the second layer's gradient and of the first one's
/// biases.
void backward(const PerceptronStep& s, int p, Scratch& t) {
  const int columns = columns_of(p);
  vec bias[2] = {vec(0.0f), vec(0.0f)};
  for (int r = 0; r < perceptron_rows; ++r)
    for (int v = 0; v < 2; ++v) {
      vec d = 0.0f;
      for (int c = 0; c < classes; ++c)
        d = fma(vec(t.scores[r][c]), load(&t.w2_transposed[c][p * panel + v * lanes]), d);
      const vec h = load(&t.h[p][r][v * lanes]);
      d *= fma(-h, h, vec(1.0f));
      bias[v] += d;
      store(&t.d1[p][r][v * lanes], d);
    }
  for (int v = 0; v < 2; ++v)
    store_columns(s.b1 + p * panel, v, columns,
                  load_columns(s.b1 + p * panel, v, columns) - s.rate * bias[v]);
  for (int i = 0; i < panel; i += 16) {
    vec sum[16][1] = {};
    multiply<16, 1, perceptron_rows, 1, panel>(&t.h[p][0][i], t.scores[0], sum);
    for (int k = 0; k < 16; ++k) store(t.gradient[p * panel + i + k], sum[k][0]);
  }
}

/// w1 -= rate xᵀ · d1 for 14 features.
void update(const PerceptronStep& s, int first, Scratch& t) {
  for (int r = 0; r < perceptron_rows; ++r)
    for (int k = 0; k < 14; ++k) t.x[r][k] = s.rate * s.x[r * features + first + k];
  for (int p = 0; p < padded / panel; ++p) {
    const int columns = columns_of(p);
    vec sum[14][2] = {};
    multiply<14, 2, perceptron_rows, 1, 14>(t.x[0], t.d1[p][0], sum);
    for (int k = 0; k < 14; ++k)
      for (int v = 0; v < 2; ++v) {
        float* w = s.w1 + (first + k) * hidden + p * panel;
        store_columns(w, v, columns, load_columns(w, v, columns) - sum[k][v]);
      }
  }
}

} // namespace

void perceptron_step(const PerceptronStep& s) {
  static thread_local Scratch t;
  for (int k = 0; k < hidden; ++k)
    for (int c = 0; c < classes; ++c) t.w2[k][c] = t.w2_transposed[c][k] = s.w2[k * classes + c];
  const vec bias = load_first(s.b2, classes, 0.0f);
  for (auto& row : t.scores) store(row, bias);
  __builtin_memcpy(t.labels, s.labels, sizeof *s.labels * perceptron_rows);

  for (int p = 0; p < padded / panel; ++p) {
    forward(s, p, t);
    add_scores(p, t);
  }
  vec loss = 0.0f;
  for (int r = 0; r < most_rows; r += lanes)
    loss +=
        cross_entropy(t.scores[r], t.labels + r,
                      lane_numbers + r < perceptron_rows ? vec(1.0f / perceptron_rows) : vec(0.0f))
            .losses;
  *s.loss = sum_of(loss);

  vec bias_gradient = 0.0f;
  for (int r = 0; r < perceptron_rows; ++r) bias_gradient += load(t.scores[r]);
  store_first(s.b2, classes, bias - s.rate * bias_gradient);
  for (int p = 0; p < padded / panel; ++p) backward(s, p, t);
  for (int first = 0; first < features; first += 14) update(s, first, t);
  for (int k = 0; k < hidden; ++k)
    for (int c = 0; c < classes; ++c) s.w2[k * classes + c] -= s.rate * t.gradient[k][c];
}

} // namespace bench
