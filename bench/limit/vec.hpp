#pragma once
/// Vectors for the hand-written cases: 16 floats, which Clang splits in two where registers are
/// narrower.
#include "codegen/prelude/base.h"
#include "codegen/prelude/exp_f32.h"
#include "codegen/prelude/log_f32.h"

namespace bench {

constexpr long lanes = 16;
using vec = float __attribute__((ext_vector_type(16), aligned(4)));
using ivec = int __attribute__((ext_vector_type(16), aligned(4)));

inline vec load(const float* p) { return *(const vec*)p; }
inline void store(float* p, vec v) { *(vec*)p = v; }

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
  vec c = __builtin_elementwise_min(__builtin_elementwise_max(x, vec(-104.0f)), vec(89.0f));
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

} // namespace bench
