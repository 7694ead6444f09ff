#pragma once
/// What training steps are made of by hand: register tiles of products, and softmax with
/// cross-entropy and its gradient.
///
///   vec sum[8][2] = {};                               // 8 rows of a times 2 vectors of b's
///   columns multiply<8, 2, inner, a_stride, 1>(a, b, sum);
#include "bench/limit/math.hpp"

namespace bench {

constexpr int classes = 10; ///< of all networks here; a row of scores is padded to a vector

/// sum[r] += Σ over p of a[r RowStride + p Step] · row p of b, a row of `Vecs` vectors.
template <int Rows, int Vecs, int Inner, int RowStride, int Step>
[[gnu::always_inline]] inline void multiply(const float* a, const float* b,
                                            vec (&sum)[Rows][Vecs]) {
#pragma clang loop unroll_count(2)
  for (int p = 0; p < Inner; ++p) {
    vec right[Vecs];
    for (int v = 0; v < Vecs; ++v) right[v] = load(b + (p * Vecs + v) * lanes);
    for (int r = 0; r < Rows; ++r)
      for (int v = 0; v < Vecs; ++v)
        sum[r][v] = fma(vec(a[r * RowStride + p * Step]), right[v], sum[r][v]);
  }
}

struct RowResults {
  vec losses;
  ivec predicted; ///< the most likely class
};

/// Turns 16 rows of scores into the gradient of the scores and gives the rows' losses, both times
/// `scale`: class c of all rows is in one vector.
inline RowResults cross_entropy(float* scores, const int* labels, vec scale) {
  vec s[16];
  for (int r = 0; r < 16; ++r) s[r] = load(scores + r * lanes);
  transpose(s);
  vec top = s[0];
  ivec predicted = 0;
  for (int c = 1; c < classes; ++c) {
    predicted = s[c] > top ? ivec(c) : predicted;
    top = max(s[c], top);
  }
  ivec label;
  __builtin_memcpy(&label, labels, sizeof label);
  vec sum = 0.0f, picked = 0.0f;
  for (int c = 0; c < classes; ++c) {
    s[c] -= top;
    picked = label == c ? s[c] : picked;
    s[c] = exp_below_zero(s[c]);
    sum += s[c];
  }
  const vec factor = reciprocal(sum) * scale;
  for (int c = 0; c < classes; ++c) s[c] = s[c] * factor - (label == c ? scale : vec(0.0f));
  for (int c = classes; c < 16; ++c) s[c] = vec(0.0f);
  transpose(s);
  for (int r = 0; r < 16; ++r) store(scores + r * lanes, s[r]);
  return {(log_of_normal(sum) - picked) * scale, predicted};
}

} // namespace bench
