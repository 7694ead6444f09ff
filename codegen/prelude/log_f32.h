// f32: log, log1p, softplus. Coefficients from minimax.py, which also prints their errors.

/// e ln(2) + log(1 + f) for f in [-1/3, 1/3]: f - f²/2 + f³ P(f), relative error 2^-30.1 before rounding.
//# log_sum_f32: types fma_f32
template <class F> KROTON_INLINE F log_sum_f32(F e, F f) {
  F p = 0x1.e7d8b4p-4f;
  p = fma_f32(p, f, -0x1.06f592p-3f);
  p = fma_f32(p, f, 0x1.b99c18p-4f);
  p = fma_f32(p, f, -0x1.f3976ap-4f);
  p = fma_f32(p, f, 0x1.24e676p-3f);
  p = fma_f32(p, f, -0x1.559882p-3f);
  p = fma_f32(p, f, 0x1.99980ep-3f);
  p = fma_f32(p, f, -0x1.ffff12p-3f);
  p = fma_f32(p, f, 0x1.555556p-2f);
  p = fma_f32(p, f, -0.5f);
  F low = fma_f32(f * f, p, e * 0x1.7f7d1cp-20f);
  return fma_f32(e, 0x1.62e4p-1f, f + low);
}

/// x = 2^e (1 + f) with 1 + f in [2/3, 4/3); denormals are scaled into the normal range first.
//# log_f32: types convert bits_f32 from_bits_f32 log_sum_f32 infinity_f32 nan_f32
template <class F> KROTON_INLINE F log_f32(F x) {
  auto tiny = x < 0x1p-126f;
  auto offset = bits_f32(tiny ? x * 0x1p23f : x) - 0x3f2aaaabu;
  F e = convert<f32>(convert<i32>(offset) >> 23) - (tiny ? 23.0f : 0.0f);
  F y = log_sum_f32(e, from_bits_f32((offset & 0x7fffffu) + 0x3f2aaaabu) - 1.0f);
  y = x == infinity_f32() ? x : y;
  y = x > 0.0f ? y : nan_f32();
  return x == 0.0f ? -infinity_f32() : y;
}

/// log(1 + x) for finite x > -1. The exponent e is that of the rounded 1 + x; f = x 2^-e + (2^-e - 1) is
/// rounded once. Works with 4 · 2^-e, which is normal even for the largest x.
//# log1p_finite_f32: types convert bits_f32 from_bits_f32 fma_f32 log_sum_f32
template <class F> KROTON_INLINE F log1p_finite_f32(F x) {
  auto exponent = (bits_f32(1.0f + x) - 0x3f2aaaabu) & 0xff800000u;
  F scale = from_bits_f32(0x40800000u - exponent);
  F f = fma_f32(0.25f, x * scale, fma_f32(0.25f, scale, -1.0f));
  return log_sum_f32(convert<f32>(convert<i32>(exponent) >> 23), f);
}

//# log1p_f32: types log1p_finite_f32 infinity_f32 nan_f32
template <class F> KROTON_INLINE F log1p_f32(F x) {
  F y = log1p_finite_f32(x);
  y = x == 0.0f || x == infinity_f32() ? x : y;
  y = x > -1.0f ? y : nan_f32();
  return x == -1.0f ? -infinity_f32() : y;
}

/// log(1 + e^x) as max(x, 0) + log(1 + z), z = e^-|x|. log(1 + z) is z + z² P(z - 1/2), relative error 2^-27.0 before
/// rounding; about 1/2 the terms are small, and so are their errors without fma.
//# softplus_f32: types fma_f32 exp_decay_f32
template <class F> KROTON_INLINE F softplus_f32(F x) {
  F z = exp_decay_f32(x);
  F u = z - 0.5f;
  F p = -0x1.a880f2p-9f;
  p = fma_f32(p, u, 0x1.c56c1cp-8f);
  p = fma_f32(p, u, -0x1.4ed00ep-7f);
  p = fma_f32(p, u, 0x1.10fca4p-6f);
  p = fma_f32(p, u, -0x1.d978dcp-6f);
  p = fma_f32(p, u, 0x1.a28448p-5f);
  p = fma_f32(p, u, -0x1.7de114p-4f);
  p = fma_f32(p, u, 0x1.6f0d78p-3f);
  p = fma_f32(p, u, -0x1.833704p-2f);
  return fma_f32(z * z, p, x > 0.0f ? x : 0.0f) + z;
}
