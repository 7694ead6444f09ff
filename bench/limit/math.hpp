#pragma once
/// exp, log, tanh and reciprocals for the hand-written cases, of vectors of 16 or 32 lanes.
///
/// A chain of operations takes its result a hundred cycles after its arguments, and the machine
/// looks ahead over hardly more than one vector's chain: loops of such chains work on 32 lanes.
#include "bench/limit/vec.hpp"

namespace bench {

/// c0 + c1 x + c2 x² + …, by Horner's rule.
template <class V> V polynomial(V, float c) { return c; }
template <class V, class... Rest> V polynomial(V x, float c, Rest... rest) {
  return fma(polynomial(x, rest...), x, V(c));
}

/// x 2^n for whole numbers n in [-151, 129], also where 2^n itself is out of range.
inline vec scale(vec x, vec n) {
#ifdef __AVX512F__
  return __builtin_ia32_scalefps512_mask(x, n, x, (unsigned short)-1, 4);
#else
  const ivec count = __builtin_convertvector(n, ivec), half = count >> 1;
  return x * __builtin_bit_cast(vec, (half + 127) << 23) *
         __builtin_bit_cast(vec, (count - half + 127) << 23);
#endif
}
inline wide scale(wide x, wide n) {
  return halves([](vec a, vec b) { return scale(a, b); }, x, n);
}

/// exp(c) for -104 <= c <= 89: c = n ln(2) + r with |r| <= ln(2)/2, and a polynomial for e^r whose
/// relative error is 2^-25.9. Adding 1.5·2^23 rounds to a whole number.
template <class V> V exp_within(V c) {
  const V n = fma(c, V(0x1.715476p0f), V(0x1.8p23f)) - 0x1.8p23f;
  const V r = fma(n, V(-0x1.7f7d1cp-20f), fma(n, V(-0x1.62e4p-1f), c));
  return scale(polynomial(r, 1.0f, 1.0f, 0.5f, 0x1.5554b4p-3f, 0x1.55558cp-5f, 0x1.122544p-7f,
                          0x1.6c8a7ep-10f),
               n);
}
/// exp(x) for x <= 0.
template <class V> V exp_below_zero(V x) { return exp_within(max(x, V(-104.0f))); }

/// exp(x), x <= 0, in the first `n` lanes and 0 in the others. Those of a padded row hold -inf,
/// whose exponential would pass through a denormal, which costs a hundred cycles.
inline vec exp_of_first(vec x, long n) {
  const ivec is_padding = lane_numbers >= (int)n;
  const vec e = exp_below_zero(is_padding ? vec(0.0f) : x);
  return is_padding ? vec(0.0f) : e;
}

/// log(x) of normal x > 0: x = 2^e (1 + f) with 1 + f in [2/3, 4/3).
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
inline wide reciprocal(wide x) {
  return halves([](vec a) { return reciprocal(a); }, x);
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
template <class V> struct Quotient { V p, q; };
template <class V> Quotient<V> tanh_quotient(V x) {
  const V c = min(max(x, V(-9.0f)), V(9.0f)), z = c * c;
  return {c * polynomial(z, 1.0f, 0x1.120b2p-3f, 0x1.ca2c8ep-9f, 0x1.59c37ep-16f, 0x1.cadd4p-27f),
          polynomial(z, 1.0f, 0x1.de5adap-2f, 0x1.a7f7f8p-6f, 0x1.588632p-12f, 0x1.a1807ap-21f)};
}
template <class V> V tanh(V x) {
  const Quotient<V> t = tanh_quotient(x);
  return t.p * reciprocal(t.q);
}

} // namespace bench
