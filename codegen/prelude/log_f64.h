// f64: log, log1p, softplus. Coefficients from minimax.py, which also prints their errors.

/// e ln(2) + log(1 + f) for 1 + f in [√½, √2). With s = f/(2 + f), log(1 + f) = 2 atanh(s)
/// = f - f²/2 + s (f²/2 + R(s²)); relative error 2^-59.5 before rounding.
//# log_sum_f64: types fma_f64
template <class F> KROTON_INLINE F log_sum_f64(F e, F f) {
  F s = f / (2.0 + f);
  F z = s * s;
  F p = 0x1.2f0b6bca25b72p-3;
  p = fma_f64(p, z, 0x1.39a120874001bp-3);
  p = fma_f64(p, z, 0x1.746644fa406acp-3);
  p = fma_f64(p, z, 0x1.c71c51eae3b18p-3);
  p = fma_f64(p, z, 0x1.2492494218970p-2);
  p = fma_f64(p, z, 0x1.999999997fab1p-2);
  p = fma_f64(p, z, 0x1.5555555555593p-1);
  F square = 0.5 * f * f;
  F low = fma_f64(s, fma_f64(p, z, square), e * 0x1.a39ef35793c76p-33);
  return fma_f64(e, 0x1.62e42feep-1, f - (square - low));
}

/// The exponent field of x / √½ as a number, less 2048 (AVX2 has neither signed shifts nor conversions of
/// 64-bit integers: the field is shifted without sign and becomes the fraction of 2^52).
//# exponent_f64: types from_bits_f64
template <class U> KROTON_INLINE auto exponent_f64(U offset) {
  U field = (offset + (2048ul << 52)) >> 52;
  return from_bits_f64(0x4330000000000000ul | field) - (0x1p52 + 2048.0);
}

/// x = 2^e (1 + f) with 1 + f in [√½, √2); denormals are scaled into the normal range first.
//# log_f64: types bits_f64 from_bits_f64 exponent_f64 log_sum_f64 infinity_f64 nan_f64
template <class F> KROTON_INLINE F log_f64(F x) {
  auto tiny = x < 0x1p-1022;
  auto offset = bits_f64(tiny ? x * 0x1p54 : x) - 0x3fe6a09e667f3bcdul;
  F e = exponent_f64(offset) - (tiny ? 54.0 : 0.0);
  F y = log_sum_f64(e, from_bits_f64((offset & 0xffffffffffffful) + 0x3fe6a09e667f3bcdul) - 1.0);
  y = x == infinity_f64() ? x : y;
  y = x > 0.0 ? y : nan_f64();
  return x == 0.0 ? -infinity_f64() : y;
}

/// log(1 + x) for finite x > -1. The exponent e is that of the rounded 1 + x; f = x 2^-e + (2^-e - 1) is
/// rounded once. Works with 4 · 2^-e, which is normal even for the largest x.
//# log1p_finite_f64: types bits_f64 from_bits_f64 fma_f64 exponent_f64 log_sum_f64
template <class F> KROTON_INLINE F log1p_finite_f64(F x) {
  auto exponent = (bits_f64(1.0 + x) - 0x3fe6a09e667f3bcdul) & 0xfff0000000000000ul;
  F scale = from_bits_f64(0x4010000000000000ul - exponent);
  F f = fma_f64(0.25, x * scale, fma_f64(0.25, scale, -1.0));
  return log_sum_f64(exponent_f64(exponent), f);
}

//# log1p_f64: types log1p_finite_f64 infinity_f64 nan_f64
template <class F> KROTON_INLINE F log1p_f64(F x) {
  F y = log1p_finite_f64(x);
  y = x == 0.0 || x == infinity_f64() ? x : y;
  y = x > -1.0 ? y : nan_f64();
  return x == -1.0 ? -infinity_f64() : y;
}

/// log(1 + e^x) as max(x, 0) + log(1 + z), z = e^-|x|. log(1 + z) is z + z² P(z - 1/2), relative error 2^-57.0 before
/// rounding; about 1/2 the terms are small, and so are their errors without fma. The small terms are added up by even
/// and odd powers, in half the time.
//# softplus_f64: types fma_f64 exp_decay_f64
template <class F> KROTON_INLINE F softplus_f64(F x) {
  F z = exp_decay_f64(x);
  F u = z - 0.5;
  F v = u * u;
  F even = -0x1.15be4e9b05911p-16;
  even = fma_f64(even, v, -0x1.1b63ade9b8d01p-15);
  even = fma_f64(even, v, -0x1.49cf047bb520fp-14);
  even = fma_f64(even, v, -0x1.a9f8b9bf7bba2p-13);
  even = fma_f64(even, v, -0x1.0ef07a657b345p-11);
  even = fma_f64(even, v, -0x1.6074bc7f1d34fp-10);
  even = fma_f64(even, v, -0x1.d5faf8280cc38p-9);
  even = fma_f64(even, v, -0x1.44ba45d40e78cp-7);
  even = fma_f64(even, v, -0x1.da3482487e138p-6);
  F odd = 0x1.1f04ecd8fc869p-15;
  odd = fma_f64(odd, v, 0x1.6ae6152ef1d10p-15);
  odd = fma_f64(odd, v, 0x1.0ff80aac36a2bp-13);
  odd = fma_f64(odd, v, 0x1.5219fcb107baap-12);
  odd = fma_f64(odd, v, 0x1.b3f0ae491e654p-11);
  odd = fma_f64(odd, v, 0x1.1ebcd9a5821c4p-9);
  odd = fma_f64(odd, v, 0x1.8490516f493e6p-8);
  odd = fma_f64(odd, v, 0x1.131116f7aa89ep-6);
  F p = fma_f64(odd, u, even);
  p = fma_f64(p, u, 0x1.a279c04c7f199p-5);
  p = fma_f64(p, u, -0x1.7ddf1fe86acc3p-4);
  p = fma_f64(p, u, 0x1.6f0d7bd624bd6p-3);
  p = fma_f64(p, u, -0x1.833704d019ed0p-2);
  return fma_f64(z * z, p, x > 0.0 ? x : 0.0) + z;
}
