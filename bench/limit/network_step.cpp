/// A training step of the network 16-30-30-10, in blocks of 32 rows that stay in the first cache
/// from the inputs to the gradients. Vectors run along the units of a layer, two for 30 units.
///   h = dropout(tanh(x · w + b)), twice; scores = h2 · w3 + b3
///   d3 = (softmax(scores) - one_hot(labels)) / rows, on scores that are transposed in registers
///   d2 = (d3 · w3ᵀ) dropout'(tanh'(…)), d1 likewise; gradients hᵀ · d and the sums of d
/// and RMSProp in one pass over all weights at the end.
#include "bench/limit/limit.hpp"
#include "bench/limit/layers.hpp"

namespace bench {
namespace {

constexpr int block = 32, inputs = 16, hidden = 30;
constexpr int padded = 2 * lanes; ///< a row of `hidden`
using uwide = unsigned __attribute__((ext_vector_type(32)));
using mask = bool __attribute__((ext_vector_type(32)));
constexpr uwide wide_lane_numbers = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                     11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                     22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

struct Layer {
  float h[block][padded];
  mask kept[block];
};
struct Scratch {
  alignas(64) Layer first, second;
  float scores[block][lanes];
  float d1[block][padded], d2[block][padded];
  float w2_transposed[hidden][padded], w3_transposed[classes][padded];
  NetworkWeights gradient;
};

/// to = a · w + bias, for a block of rows of a, which are RowStride apart.
template <int Rows, int Vecs, int Inner, int RowStride>
void forward(const float* a, const float* w, const float* bias, float* to) {
  for (int r = 0; r < block; r += Rows) {
    vec sum[Rows][Vecs];
    for (auto& row : sum)
      for (int v = 0; v < Vecs; ++v) row[v] = bias ? load(bias + v * lanes) : vec(0.0f);
    multiply<Rows, Vecs, Inner, RowStride, 1>(a + r * RowStride, w, sum);
    for (int i = 0; i < Rows; ++i)
      for (int v = 0; v < Vecs; ++v) store(to + ((r + i) * Vecs + v) * lanes, sum[i][v]);
  }
}

/// w += hᵀ · d over a block of rows, and bias += the sum of d's rows.
template <int Rows, int Vecs, int Units, int RowStride>
void add_gradient(const float* h, const float* d, float* w, float* bias) {
  for (int i = 0; i < Units; i += Rows) {
    vec sum[Rows][Vecs];
    for (int r = 0; r < Rows; ++r)
      for (int v = 0; v < Vecs; ++v) sum[r][v] = load(w + ((i + r) * Vecs + v) * lanes);
    multiply<Rows, Vecs, block, 1, RowStride>(h + i, d, sum);
    for (int r = 0; r < Rows; ++r)
      for (int v = 0; v < Vecs; ++v) store(w + ((i + r) * Vecs + v) * lanes, sum[r][v]);
  }
  for (int v = 0; v < Vecs; ++v) {
    vec sum[2] = {load(bias + v * lanes), vec(0.0f)};
    for (int r = 0; r < block; ++r) sum[r % 2] += load(d + (r * Vecs + v) * lanes);
    store(bias + v * lanes, sum[0] + sum[1]);
  }
}

/// 32 random words for a counter: a product and Wellons' two-round mixer of 32-bit words.
[[gnu::always_inline]] inline uwide random_words(unsigned counter, unsigned key) {
  uwide x = (wide_lane_numbers + counter) * 0x9e3779b9u + key;
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

/// Applies tanh, and drops outputs whose word is below `drop` of all words.
void activate(Layer& layer, float drop, unsigned counter, unsigned key) {
  const uwide threshold = (unsigned)(drop * 0x1p32f);
  const float scale = 1.0f / (1.0f - drop);
#pragma clang loop unroll_count(2)
  for (int r = 0; r < block; ++r) {
    const mask kept = __builtin_convertvector(
        random_words(counter + (unsigned)(r * padded), key) >= threshold, mask);
    layer.kept[r] = kept;
    store(layer.h[r], kept ? tanh(load<wide>(layer.h[r])) * scale : wide(0.0f));
  }
}

/// Turns the gradient of a layer's outputs into that of its sums: tanh' = 1 - tanh².
void differentiate(const Layer& layer, float drop, float (&d)[block][padded]) {
  const float keep = 1.0f - drop, scale = 1.0f / keep;
#pragma clang loop unroll_count(2)
  for (int r = 0; r < block; ++r) {
    const wide t = load<wide>(layer.h[r]) * keep;
    store(d[r], layer.kept[r] ? load<wide>(d[r]) * scale * fma(-t, t, wide(1.0f)) : wide(0.0f));
  }
}

/// to[c][r] = from[r][c]: `Rows` (at most 32) rows of `Vecs` vectors.
template <int Rows, int Columns, int Vecs>
void transpose_rows(const float (&from)[Rows][Vecs * lanes], float (&to)[Columns][padded]) {
  for (int v = 0; v < Vecs; ++v)
    for (int half = 0; half < 2; ++half) {
      vec tile[16];
      for (int r = 0; r < 16; ++r)
        tile[r] = half * 16 + r < Rows ? load(&from[half * 16 + r][v * lanes]) : vec(0.0f);
      transpose(tile);
      for (int c = 0; c < 16; ++c)
        if (v * 16 + c < Columns) store(&to[v * 16 + c][half * lanes], tile[c]);
    }
}

/// s ← decay s + (1 - decay) g², w ← w - rate g / (√s + epsilon). A root of nothing would divide by
/// zero on its way.
void update(const NetworkStep& step, const NetworkWeights& gradient) {
  const float* g = &gradient.w1[0][0];
  float *w = &step.weights->w1[0][0], *s = &step.squares->w1[0][0];
#pragma clang loop unroll_count(2)
  for (int i = 0; i < (int)(sizeof gradient / sizeof(vec));
       ++i, g += lanes, w += lanes, s += lanes) {
    const vec slope = load(g);
    const vec square = fma(vec(step.decay), load(s), (1.0f - step.decay) * slope * slope);
    const vec root = square * reciprocal_root(max(square, vec(0x1p-126f)));
    store(s, square);
    store(w, fma(-step.rate * slope, reciprocal(root + step.epsilon), load(w)));
  }
}

} // namespace

void network_step(const NetworkStep& step) {
  static thread_local Scratch scratch;
  auto& [first, second, scores, d1, d2, w2_transposed, w3_transposed, gradient] = scratch;
  const NetworkWeights& w = *step.weights;
  transpose_rows<hidden, hidden, 2>(w.w2, w2_transposed);
  transpose_rows<hidden, classes, 1>(w.w3, w3_transposed);
  __builtin_memset(&gradient, 0, sizeof gradient);

  const std::uint64_t number = (*step.steps)++ * 0xd1342543de82ef95u + 0x9e3779b97f4a7c15u;
  const unsigned key = (unsigned)(number >> 32) ^ (unsigned)number;
  vec loss = 0.0f;
  for (long begin = 0; begin < step.rows; begin += block) {
    const float* x = step.x + begin * inputs;
    const int* labels = step.labels + begin;
    const int rest = (int)(step.rows - begin);
    alignas(64) float some_x[block * inputs];
    int some_labels[block];
    if (rest < block) {
      __builtin_memset(some_x, 0, sizeof some_x);
      __builtin_memset(some_labels, 0, sizeof some_labels);
      __builtin_memcpy(some_x, x, (unsigned long)(rest * inputs) * sizeof *x);
      __builtin_memcpy(some_labels, labels, (unsigned long)rest * sizeof *labels);
      x = some_x;
      labels = some_labels;
    }

    const unsigned counter = (unsigned)begin * 4 * lanes;
    forward<8, 2, inputs, inputs>(x, w.w1[0], w.b1, first.h[0]);
    activate(first, step.drop[0], counter, key);
    forward<8, 2, hidden, padded>(first.h[0], w.w2[0], w.b2, second.h[0]);
    activate(second, step.drop[1], counter + 2 * block * lanes, key);
    forward<16, 1, hidden, padded>(second.h[0], w.w3[0], w.b3, scores[0]);

    for (int r = 0; r < block; r += lanes)
      loss += cross_entropy(scores[r], labels + r,
                            lane_numbers + r < rest ? vec(1.0f / (float)step.rows) : vec(0.0f))
                  .losses;

    add_gradient<15, 1, hidden, padded>(second.h[0], scores[0], gradient.w3[0], gradient.b3);
    forward<8, 2, classes, lanes>(scores[0], w3_transposed[0], nullptr, d2[0]);
    differentiate(second, step.drop[1], d2);
    add_gradient<10, 2, hidden, padded>(first.h[0], d2[0], gradient.w2[0], gradient.b2);
    forward<8, 2, hidden, padded>(d2[0], w2_transposed[0], nullptr, d1[0]);
    differentiate(first, step.drop[0], d1);
    add_gradient<8, 2, inputs, inputs>(x, d1[0], gradient.w1[0], gradient.b1);
  }
  *step.loss = sum_of(loss);
  update(step, gradient);
}

} // namespace bench
