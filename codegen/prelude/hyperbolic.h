// sinh, cosh and their inverses. Coefficients from minimax.py, which also prints their errors.

/// e^a / 2 for a >= 0.
//# half_exp_f32: types fma_f32 exp_quotient_f32 exp_reduce_f32 scale_f32
template <class F> KROTON_INLINE F half_exp_f32(F a) {
  auto [r, shifted] = exp_reduce_f32(a > 91.0f ? 91.0f : a);
  return scale_f32(fma_f32(fma_f32(exp_quotient_f32(r), r, 1.0f), r, 1.0f), shifted - 1.0f);
}

/// Below 1 by a polynomial, relative error 2^-31.6 before rounding.
//# sinh_f32: types select fma_f32 abs_f32 copysign_f32 half_exp_f32
template <class F> KROTON_INLINE F sinh_f32(F x) {
  F a = abs_f32(x);
  F h = half_exp_f32(a);
  F z = a * a;
  F p = 0x1.756df8p-19f;
  p = fma_f32(p, z, 0x1.a022b6p-13f);
  p = fma_f32(p, z, 0x1.1110ep-7f);
  p = fma_f32(p, z, 0x1.555556p-3f);
  return copysign_f32(select(a < 1.0f, fma_f32(a * z, p, a), h - 0.25f / h), x);
}

//# cosh_f32: types abs_f32 half_exp_f32
template <class F> KROTON_INLINE F cosh_f32(F x) {
  F h = half_exp_f32(abs_f32(x));
  return h + 0.25f / h;
}

/// log(1 + a + a²/(1 + √(1 + a²))), and log(a) + ln(2) where a² would overflow.
//# asinh_f32: types select abs_f32 copysign_f32 sqrt_f32 log1p_finite_f32 infinity_f32
template <class F> KROTON_INLINE F asinh_f32(F x) {
  F a = abs_f32(x);
  auto large = a > 0x1p60f;
  F z = a * a;
  F u = select(large, a, a + z / (1.0f + sqrt_f32(1.0f + z)));
  F y = log1p_finite_f32(u) + select(large, (F)0x1.62e43p-1f, 0.0f);
  return copysign_f32(a < infinity_f32() ? y : a, x);
}

/// log(1 + t + √(t (x + 1))) with t = x - 1, likewise.
//# acosh_f32: types select sqrt_f32 log1p_finite_f32 infinity_f32 nan_f32
template <class F> KROTON_INLINE F acosh_f32(F x) {
  auto large = x > 0x1p60f;
  F t = x - 1.0f;
  F u = select(large, x, t + sqrt_f32(t * (x + 1.0f)));
  F y = log1p_finite_f32(u) + select(large, (F)0x1.62e43p-1f, 0.0f);
  y = x < infinity_f32() ? y : x;
  return x >= 1.0f ? y : nan_f32();
}

/// log(1 + 2a / (1 - a)) / 2.
//# atanh_f32: types abs_f32 copysign_f32 log1p_f32
template <class F> KROTON_INLINE F atanh_f32(F x) {
  F a = abs_f32(x);
  return copysign_f32(0.5f * log1p_f32(2.0f * a / (1.0f - a)), x);
}

/// e^a / 2 for a >= 0.
//# half_exp_f64: types fma_f64 exp_quotient_f64 exp_reduce_f64 scale_f64
template <class F> KROTON_INLINE F half_exp_f64(F a) {
  auto [r, shifted] = exp_reduce_f64(a > 712.0 ? 712.0 : a);
  return scale_f64(fma_f64(fma_f64(exp_quotient_f64(r), r, 1.0), r, 1.0), shifted - 1.0);
}

/// Below 1 by a polynomial, relative error 2^-61.7 before rounding.
//# sinh_f64: types select fma_f64 abs_f64 copysign_f64 half_exp_f64
template <class F> KROTON_INLINE F sinh_f64(F x) {
  F a = abs_f64(x);
  F h = half_exp_f64(a);
  F z = a * a;
  F p = 0x1.b5a17b2baa6b8p-41;
  p = fma_f64(p, z, 0x1.61176f08cf4f9p-33);
  p = fma_f64(p, z, 0x1.ae646ed2d720ep-26);
  p = fma_f64(p, z, 0x1.71de3a3c47b26p-19);
  p = fma_f64(p, z, 0x1.a01a01a035e39p-13);
  p = fma_f64(p, z, 0x1.1111111111025p-7);
  p = fma_f64(p, z, 0x1.5555555555556p-3);
  return copysign_f64(select(a < 1.0, fma_f64(a * z, p, a), h - 0.25 / h), x);
}

//# cosh_f64: types abs_f64 half_exp_f64
template <class F> KROTON_INLINE F cosh_f64(F x) {
  F h = half_exp_f64(abs_f64(x));
  return h + 0.25 / h;
}

/// log(1 + a + a²/(1 + √(1 + a²))), and log(a) + ln(2) where a² would overflow.
//# asinh_f64: types select abs_f64 copysign_f64 sqrt_f64 log1p_finite_f64 infinity_f64
template <class F> KROTON_INLINE F asinh_f64(F x) {
  F a = abs_f64(x);
  auto large = a > 0x1p500;
  F z = a * a;
  F u = select(large, a, a + z / (1.0 + sqrt_f64(1.0 + z)));
  F y = log1p_finite_f64(u) + select(large, (F)0x1.62e42fefa39efp-1, 0.0);
  return copysign_f64(a < infinity_f64() ? y : a, x);
}

/// log(1 + t + √(t (x + 1))) with t = x - 1, likewise.
//# acosh_f64: types select sqrt_f64 log1p_finite_f64 infinity_f64 nan_f64
template <class F> KROTON_INLINE F acosh_f64(F x) {
  auto large = x > 0x1p500;
  F t = x - 1.0;
  F u = select(large, x, t + sqrt_f64(t * (x + 1.0)));
  F y = log1p_finite_f64(u) + select(large, (F)0x1.62e42fefa39efp-1, 0.0);
  y = x < infinity_f64() ? y : x;
  return x >= 1.0 ? y : nan_f64();
}

/// log(1 + 2a / (1 - a)) / 2.
//# atanh_f64: types abs_f64 copysign_f64 log1p_f64
template <class F> KROTON_INLINE F atanh_f64(F x) {
  F a = abs_f64(x);
  return copysign_f64(0.5 * log1p_f64(2.0 * a / (1.0 - a)), x);
}
