#pragma once
/// Vectors for the hand-written cases: 16 floats, which Clang splits in two where registers are
/// narrower, and 32, which keep twice as many operations under way.

namespace bench {

constexpr long lanes = 16;
using vec = float __attribute__((ext_vector_type(16)));
using wide = float __attribute__((ext_vector_type(32)));
using ivec = int __attribute__((ext_vector_type(16)));

/// Rows begin anywhere, so these do not take it that `p` is aligned.
template <class V = vec> V load(const float* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class V> void store(float* p, V v) { __builtin_memcpy(p, &v, sizeof v); }

/// A function of vectors, applied to both halves of wide ones.
template <class F, class... W> wide halves(F f, W... x) {
  const vec low =
      f(__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)...);
  const vec high = f(__builtin_shufflevector(x, x, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
                                             28, 29, 30, 31)...);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
}

constexpr ivec lane_numbers = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/// The first `n` elements, and `rest` in the other lanes.
inline vec load_first(const float* p, long n, float rest) {
  vec v = rest;
#ifdef __AVX512F__
  v = __builtin_ia32_loadups512_mask(p, v, (unsigned short)((1u << n) - 1));
#else
  for (long i = 0; i < n; ++i) v[i] = p[i];
#endif
  return v;
}
inline void store_first(float* p, long n, vec v) {
#ifdef __AVX512F__
  __builtin_ia32_storeups512_mask(p, v, (unsigned short)((1u << n) - 1));
#else
  for (long i = 0; i < n; ++i) p[i] = v[i];
#endif
}

constexpr auto max = [](auto a, auto b) { return a > b ? a : b; };
constexpr auto min = [](auto a, auto b) { return a < b ? a : b; };
constexpr auto plus = [](auto a, auto b) { return a + b; };
template <class V> V fma(V a, V b, V c) { return __builtin_elementwise_fma(a, b, c); }

/// Lane j of v[i] to lane i of v[j]: blocks of 8, 4, 2 and 1 lanes change places.
inline void transpose(vec (&v)[16]) {
  for (int i = 0; i < 8; ++i) {
    const vec a = v[i], b = v[i + 8];
    v[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    v[i + 8] =
        __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
  for (int k = 0; k < 8; ++k) {
    const int i = k / 4 * 8 + k % 4;
    const vec a = v[i], b = v[i + 4];
    v[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
    v[i + 4] =
        __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  }
  for (int k = 0; k < 8; ++k) {
    const int i = k / 2 * 4 + k % 2;
    const vec a = v[i], b = v[i + 2];
    v[i] = __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    v[i + 2] =
        __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  }
  for (int i = 0; i < 16; i += 2) {
    const vec a = v[i], b = v[i + 1];
    v[i] = __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
    v[i + 1] =
        __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  }
}

/// All lanes folded into one, in halves: Clang's own reductions of floats go lane by lane.
template <class Fold> float folded(vec v, Fold fold) {
  v = fold(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  v = fold(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  v = fold(v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  v = fold(v, __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
  return v[0];
}
inline float sum_of(vec v) { return folded(v, plus); }
inline float max_of(vec v) { return folded(v, max); }

} // namespace bench
