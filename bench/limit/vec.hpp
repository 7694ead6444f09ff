#pragma once
/// Vectors for the hand-written cases: 16 floats, which Clang splits in two where registers are
/// narrower.
#include "codegen/prelude/base.h"
#include "codegen/prelude/exp_f32.h"
#include "codegen/prelude/log_f32.h"

namespace bench {

constexpr long lanes = 16;
using vec = float __attribute__((ext_vector_type(16)));
using ivec = int __attribute__((ext_vector_type(16)));

/// Rows begin anywhere, so these do not take it that `p` is aligned.
inline vec load(const float* p) {
  vec v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, vec v) { __builtin_memcpy(p, &v, sizeof v); }

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

/// exp_f32 of the prelude for 16 elements at once.
inline vec exp(vec x) {
  vec c = x < -104.0f ? vec(-104.0f) : x;
  c = c > 89.0f ? vec(89.0f) : c;
  vec shifted = __builtin_elementwise_fma(c, vec(0x1.715476p0f), vec(0x1.8p23f));
  vec n = shifted - 0x1.8p23f;
  vec r = __builtin_elementwise_fma(n, vec(-0x1.62e4p-1f), c);
  r = __builtin_elementwise_fma(n, vec(-0x1.7f7d1cp-20f), r);
  vec q = 0x1.6c8a7ep-10f;
  q = __builtin_elementwise_fma(q, r, vec(0x1.122544p-7f));
  q = __builtin_elementwise_fma(q, r, vec(0x1.55558cp-5f));
  q = __builtin_elementwise_fma(q, r, vec(0x1.5554b4p-3f));
  q = __builtin_elementwise_fma(q, r, vec(0.5f));
  vec y = 1.0f + __builtin_elementwise_fma(q * r, r, r);
#ifdef __AVX512F__
  return __builtin_ia32_scalefps512_mask(y, n, y, (unsigned short)-1, 4);
#else
  ivec count = __builtin_bit_cast(ivec, shifted) - 0x4b400000, half = count >> 1;
  return y * __builtin_bit_cast(vec, (half + 127) << 23) *
         __builtin_bit_cast(vec, (count - half + 127) << 23);
#endif
}

/// exp(x) in the first `n` lanes and 0 in the others. Those of a padded row hold -inf, whose
/// exponential would pass through a denormal, which costs a hundred cycles.
inline vec exp_of_first(vec x, long n) {
  const ivec is_padding = lane_numbers >= (int)n;
  const vec e = exp(is_padding ? vec(0.0f) : x);
  return is_padding ? vec(0.0f) : e;
}

/// All lanes folded into one, in halves: Clang's own reductions of floats go lane by lane.
template <class Fold> float folded(vec v, Fold fold) {
  v = fold(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  v = fold(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  v = fold(v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  v = fold(v, __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
  return v[0];
}
inline vec max(vec a, vec b) { return a > b ? a : b; }
inline float sum_of(vec v) {
  return folded(v, [](vec a, vec b) { return a + b; });
}
inline float max_of(vec v) { return folded(v, max); }

} // namespace bench
