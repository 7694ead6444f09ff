// asin, acos, atan and atan2. Coefficients from minimax.py, which also prints their errors.

/// (asin(x) - x) / x³ of z = x² <= 1/4; relative error of asin 2^-27.6 before rounding.
//# asin_tail_f32: types fma_f32
template <class F> KROTON_INLINE F asin_tail_f32(F z) {
  F p = 0x1.596a78p-5f;
  p = fma_f32(p, z, 0x1.8c30b6p-6f);
  p = fma_f32(p, z, 0x1.747cbep-5f);
  p = fma_f32(p, z, 0x1.3301fep-4f);
  p = fma_f32(p, z, 0x1.5555c8p-3f);
  return p;
}

/// Beyond 1/2, asin(x) is π/2 - 2 asin(s) with s² = (1 - x)/2, which is exact.
//# asin_f32: types select fma_f32 abs_f32 copysign_f32 sqrt_f32 asin_tail_f32
template <class F> KROTON_INLINE F asin_f32(F x) {
  F a = abs_f32(x);
  auto near = a <= 0.5f;
  F z = select(near, a * a, fma_f32(a, -0.5f, 0.5f));
  F s = select(near, a, sqrt_f32(z));
  F rest = s * z * asin_tail_f32(z);
  F far = fma_f32(s, -2.0f, 0x1.921fb6p0f) - fma_f32(rest, 2.0f, 0x1.777a5cp-25f);
  return copysign_f32(select(near, s + rest, far), x);
}

//# acos_f32: types select fma_f32 abs_f32 sqrt_f32 asin_tail_f32
template <class F> KROTON_INLINE F acos_f32(F x) {
  F a = abs_f32(x);
  auto near = a <= 0.5f;
  F z = select(near, x * x, fma_f32(a, -0.5f, 0.5f));
  F s = select(near, x, sqrt_f32(z));
  F rest = s * z * asin_tail_f32(z);
  F middle = (0x1.921fb6p0f - s) - (rest - -0x1.777a5cp-25f);
  F twice = 2.0f * (s + rest);
  F far = select(x < 0.0f, 0x1.921fb6p1f - (twice - -0x1.777a5cp-24f), twice);
  return select(near, middle, far);
}

/// The angle of a point (x, y) with x, y >= 0 not both 0, nor both infinite: base + atan(t), |t| <= tan(π/8); relative error
/// 2^-30.4 before rounding.
//# arc_f32: types select fma_f32
template <class F, class G> KROTON_INLINE F arc_f32(F y, G x) {
  auto low = y <= x * 0x1.a8279ap-2f, high = y > x * 0x1.3504f4p1f;
  F t = select(low, y, select(high, -x, y - x)) / select(low, x, select(high, y, y + x));
  F base = select(low, 0.0f, select(high, (F)0x1.921fb6p0f, 0x1.921fb6p-1f));
  F rest = select(low, 0.0f, select(high, (F)-0x1.777a5cp-25f, -0x1.777a5cp-26f));
  F z = t * t;
  F p = -0x1.f2cc32p-5f;
  p = fma_f32(p, z, 0x1.b21ffcp-4f);
  p = fma_f32(p, z, -0x1.23b966p-3f);
  p = fma_f32(p, z, 0x1.9991ep-3f);
  p = fma_f32(p, z, -0x1.55554ap-2f);
  return base + (t + fma_f32(t * z, p, rest));
}

//# atan_f32: types abs_f32 copysign_f32 arc_f32
template <class F> KROTON_INLINE F atan_f32(F x) { return copysign_f32(arc_f32(abs_f32(x), (F)1.0f), x); }

/// Large numbers are divided by 4, since their sum overflows, and small ones are scaled away from the denormal ones.
//# atan2_f32: types select bits_f32 abs_f32 copysign_f32 arc_f32
template <class A, class B> KROTON_INLINE auto atan2_f32(A ordinate, B abscissa) {
  using F = decltype(ordinate + abscissa);
  F y = ordinate, x = abscissa;
  F v = abs_f32(y), u = abs_f32(x);
  F scale = select((v > 0x1p126f) | (u > 0x1p126f), (F)0.25f, select((v < 0x1p-100f) & (u < 0x1p-100f), (F)0x1p25f, 1.0f));
  F angle = arc_f32(v * scale, u * scale);
  angle = select(v == u, select(v == 0.0f, v, (F)0x1.921fb6p-1f), angle);
  angle = select((bits_f32(x) & 0x80000000u) != 0u, 0x1.921fb6p1f - (angle - -0x1.777a5cp-24f), angle);
  return copysign_f32(angle, y);
}

/// (asin(x) - x) / x³ of z = x² <= 1/4; relative error of asin 2^-59.8 before rounding.
//# asin_tail_f64: types fma_f64
template <class F> KROTON_INLINE F asin_tail_f64(F z) {
  F p = 0x1.0b6f1d053f83ep-5;
  p = fma_f64(p, z, -0x1.587934e9cb40ep-6);
  p = fma_f64(p, z, 0x1.63efdb5da6326p-6);
  p = fma_f64(p, z, 0x1.e4f14b112f1dfp-9);
  p = fma_f64(p, z, 0x1.614cc748ada3ep-7);
  p = fma_f64(p, z, 0x1.7582d59df9653p-7);
  p = fma_f64(p, z, 0x1.ca1fdb66f6b0cp-7);
  p = fma_f64(p, z, 0x1.1c49ed6b62953p-6);
  p = fma_f64(p, z, 0x1.6e8bdf052ce7cp-6);
  p = fma_f64(p, z, 0x1.f1c71a93d9035p-6);
  p = fma_f64(p, z, 0x1.6db6db7214a8bp-5);
  p = fma_f64(p, z, 0x1.333333332e114p-4);
  p = fma_f64(p, z, 0x1.5555555555577p-3);
  return p;
}

/// Beyond 1/2, asin(x) is π/2 - 2 asin(s) with s² = (1 - x)/2, which is exact.
//# asin_f64: types select fma_f64 abs_f64 copysign_f64 sqrt_f64 asin_tail_f64
template <class F> KROTON_INLINE F asin_f64(F x) {
  F a = abs_f64(x);
  auto near = a <= 0.5;
  F z = select(near, a * a, fma_f64(a, -0.5, 0.5));
  F s = select(near, a, sqrt_f64(z));
  F rest = s * z * asin_tail_f64(z);
  F far = fma_f64(s, -2.0, 0x1.921fb54442d18p0) - fma_f64(rest, 2.0, -0x1.1a62633145c07p-54);
  return copysign_f64(select(near, s + rest, far), x);
}

//# acos_f64: types select fma_f64 abs_f64 sqrt_f64 asin_tail_f64
template <class F> KROTON_INLINE F acos_f64(F x) {
  F a = abs_f64(x);
  auto near = a <= 0.5;
  F z = select(near, x * x, fma_f64(a, -0.5, 0.5));
  F s = select(near, x, sqrt_f64(z));
  F rest = s * z * asin_tail_f64(z);
  F middle = (0x1.921fb54442d18p0 - s) - (rest - 0x1.1a62633145c07p-54);
  F twice = 2.0 * (s + rest);
  F far = select(x < 0.0, 0x1.921fb54442d18p1 - (twice - 0x1.1a62633145c07p-53), twice);
  return select(near, middle, far);
}

/// The angle of a point (x, y) with x, y >= 0 not both 0, nor both infinite: base + atan(t), |t| <= tan(π/8); relative error
/// 2^-59.4 before rounding.
//# arc_f64: types select fma_f64
template <class F, class G> KROTON_INLINE F arc_f64(F y, G x) {
  auto low = y <= x * 0x1.a827999fcef32p-2, high = y > x * 0x1.3504f333f9de6p1;
  F t = select(low, y, select(high, -x, y - x)) / select(low, x, select(high, y, y + x));
  F base = select(low, 0.0, select(high, (F)0x1.921fb54442d18p0, 0x1.921fb54442d18p-1));
  F rest = select(low, 0.0, select(high, (F)0x1.1a62633145c07p-54, 0x1.1a62633145c07p-55));
  F z = t * t;
  F p = -0x1.25032590db879p-6;
  p = fma_f64(p, z, 0x1.37a5a9eccf0a9p-5);
  p = fma_f64(p, z, -0x1.9cbf75a8b1cabp-5);
  p = fma_f64(p, z, 0x1.df0ae963233d9p-5);
  p = fma_f64(p, z, -0x1.10eb68fc78e8dp-4);
  p = fma_f64(p, z, 0x1.3b1111e5p-4);
  p = fma_f64(p, z, -0x1.745cf8701bc6ap-4);
  p = fma_f64(p, z, 0x1.c71c70e215469p-4);
  p = fma_f64(p, z, -0x1.24924922a2682p-3);
  p = fma_f64(p, z, 0x1.999999999567ap-3);
  p = fma_f64(p, z, -0x1.555555555553cp-2);
  return base + (t + fma_f64(t * z, p, rest));
}

//# atan_f64: types abs_f64 copysign_f64 arc_f64
template <class F> KROTON_INLINE F atan_f64(F x) { return copysign_f64(arc_f64(abs_f64(x), (F)1.0), x); }

/// Large numbers are divided by 4, since their sum overflows, and small ones are scaled away from the denormal ones.
//# atan2_f64: types select bits_f64 abs_f64 copysign_f64 arc_f64
template <class A, class B> KROTON_INLINE auto atan2_f64(A ordinate, B abscissa) {
  using F = decltype(ordinate + abscissa);
  F y = ordinate, x = abscissa;
  F v = abs_f64(y), u = abs_f64(x);
  F scale = select((v > 0x1p1022) | (u > 0x1p1022), (F)0.25, select((v < 0x1p-900) & (u < 0x1p-900), (F)0x1p54, 1.0));
  F angle = arc_f64(v * scale, u * scale);
  angle = select(v == u, select(v == 0.0, v, (F)0x1.921fb54442d18p-1), angle);
  angle = select((bits_f64(x) & 0x8000000000000000ul) != 0ul, 0x1.921fb54442d18p1 - (angle - 0x1.1a62633145c07p-53), angle);
  return copysign_f64(angle, y);
}
