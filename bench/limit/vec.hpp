#pragma once
/// Vectors for the hand-written cases: 16 floats, which Clang splits in two where registers are
/// narrower.

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

inline vec max(vec a, vec b) { return a > b ? a : b; }
inline vec min(vec a, vec b) { return a < b ? a : b; }
inline vec fma(vec a, vec b, vec c) { return __builtin_elementwise_fma(a, b, c); }

/// c0 + c1 x + c2 x² + …, by Horner's rule.
inline vec polynomial(vec, float c) { return c; }
template <class... Rest> vec polynomial(vec x, float c, Rest... rest) {
  return fma(polynomial(x, rest...), x, vec(c));
}

/// exp(c) for -104 <= c <= 89: c = n ln(2) + r with |r| <= ln(2)/2, and a polynomial for e^r whose
/// relative error is 2^-25.9. Adding 1.5·2^23 rounds to a whole number.
inline vec exp_within(vec c) {
  const vec shifted = fma(c, vec(0x1.715476p0f), vec(0x1.8p23f)), n = shifted - 0x1.8p23f;
  const vec r = fma(n, vec(-0x1.7f7d1cp-20f), fma(n, vec(-0x1.62e4p-1f), c));
  const vec y = polynomial(r, 1.0f, 1.0f, 0.5f, 0x1.5554b4p-3f, 0x1.55558cp-5f, 0x1.122544p-7f,
                           0x1.6c8a7ep-10f);
#ifdef __AVX512F__
  return __builtin_ia32_scalefps512_mask(y, n, y, (unsigned short)-1, 4);
#else
  const ivec count = __builtin_bit_cast(ivec, shifted) - 0x4b400000, half = count >> 1;
  return y * __builtin_bit_cast(vec, (half + 127) << 23) *
         __builtin_bit_cast(vec, (count - half + 127) << 23);
#endif
}
inline vec exp(vec x) { return exp_within(min(max(x, vec(-104.0f)), vec(89.0f))); }
/// exp(x) for x <= 0.
inline vec exp_below_zero(vec x) { return exp_within(max(x, vec(-104.0f))); }

/// exp(x), x <= 0, in the first `n` lanes and 0 in the others. Those of a padded row hold -inf,
/// whose exponential would pass through a denormal, which costs a hundred cycles.
inline vec exp_of_first(vec x, long n) {
  const ivec is_padding = lane_numbers >= (int)n;
  const vec e = exp_below_zero(is_padding ? vec(0.0f) : x);
  return is_padding ? vec(0.0f) : e;
}

/// log(x) of normal x > 0: x = 2^e (1 + f) with 1 + f in [2/3, 4/3), as log_f32 of the prelude.
inline vec log_of_normal(vec x) {
  const ivec offset = __builtin_bit_cast(ivec, x) - 0x3f2aaaab;
  const vec e = __builtin_convertvector(offset >> 23, vec);
  const vec f = __builtin_bit_cast(vec, (offset & 0x7fffff) + 0x3f2aaaab) - 1.0f;
  const vec p =
      polynomial(f, -0.5f, 0x1.555556p-2f, -0x1.ffff12p-3f, 0x1.99980ep-3f, -0x1.559882p-3f,
                 0x1.24e676p-3f, -0x1.f3976ap-4f, 0x1.b99c18p-4f, -0x1.06f592p-3f, 0x1.e7d8b4p-4f);
  return fma(e, vec(0x1.62e4p-1f), f + fma(f * f, p, e * 0x1.7f7d1cp-20f));
}

/// 1 / x and 1 / √x of normal x: the machine's 14 bits and a step of Newton's method.
inline vec reciprocal(vec x) {
#ifdef __AVX512F__
  const vec y = __builtin_ia32_rcp14ps512_mask(x, x, (unsigned short)-1);
  return fma(fma(-x, y, vec(1.0f)), y, y);
#else
  return 1.0f / x;
#endif
}
inline vec reciprocal_root(vec x) {
#ifdef __AVX512F__
  const vec y = __builtin_ia32_rsqrt14ps512_mask(x, x, (unsigned short)-1);
  return fma(fma(-x * y, y, vec(1.0f)), 0.5f * y, y);
#else
  return 1.0f / __builtin_elementwise_sqrt(x);
#endif
}

/// tanh as x P(x²) / Q(x²) for |x| <= 9, beyond which it rounds to ±1. The relative error of the
/// quotient is 2^-25.5, that of the result below 4 ulp.
struct Quotient {
  vec p, q;
};
inline Quotient tanh_quotient(vec x) {
  const vec c = min(max(x, vec(-9.0f)), vec(9.0f)), z = c * c;
  return {c * polynomial(z, 1.0f, 0x1.120b2p-3f, 0x1.ca2c8ep-9f, 0x1.59c37ep-16f, 0x1.cadd4p-27f),
          polynomial(z, 1.0f, 0x1.de5adap-2f, 0x1.a7f7f8p-6f, 0x1.588632p-12f, 0x1.a1807ap-21f)};
}
inline vec tanh(vec x) {
  const Quotient t = tanh_quotient(x);
  return t.p * reciprocal(t.q);
}

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
inline float sum_of(vec v) {
  return folded(v, [](vec a, vec b) { return a + b; });
}
inline float max_of(vec v) { return folded(v, max); }

} // namespace bench
