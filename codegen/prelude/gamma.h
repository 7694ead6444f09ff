// lgamma, digamma, trigamma. f32 is computed in f64, so that its digits stay where the result crosses zero.
// The polynomial of lgamma is from minimax.py; the other coefficients are made of Bernoulli numbers (Abramowitz and Stegun 6.1.40, 6.3.18, 6.4.12).

/// log(Γ(x)) for x >= 0. Up to 8 the argument is moved to y in [1, 3) by Γ(x + 1) = x Γ(x), whose factors are multiplied
/// into `product`; there it is (y - 1)(y - 2) P(t) with t = (y - √3)/(y + √3), relative error 2^-54.2 before rounding, which
/// keeps the digits about its zeros. From 8 on Stirling's series. One logarithm and one quotient serve both.
//# lgamma_positive_f64: types fma_f64 log_f64
template <class F> KROTON_INLINE F lgamma_positive_f64(F x) {
  F y = x;
  F product = 1.0;
  for (int k = 0; k < 5; ++k) {
    F below = y - 1.0;
    auto is_above = y >= 3.0 && x < 8.0;
    product = is_above ? product * below : product;
    y = is_above ? below : y;
  }
  F l = log_f64(x < 8.0 && x >= 1.0 ? product : x);
  F r = (x < 8.0 ? 0x1.bb67ae8584caap+1 : 1.0) / (x < 8.0 ? (x < 1.0 ? y + 1.0 : y) + 0x1.bb67ae8584caap+0 : x);
  F t = 1.0 - r;
  F p_square = t * t;
  F p_even = 0x1.d56f00ed214a9p-6;
  p_even = fma_f64(p_even, p_square, 0x1.d3bd4e24c927p-6);
  p_even = fma_f64(p_even, p_square, 0x1.005d12720775ep-5);
  p_even = fma_f64(p_even, p_square, 0x1.27069ede8364p-5);
  p_even = fma_f64(p_even, p_square, 0x1.58587160eddfep-5);
  p_even = fma_f64(p_even, p_square, 0x1.9da6271901a14p-5);
  p_even = fma_f64(p_even, p_square, 0x1.02bd49da9f0abp-4);
  p_even = fma_f64(p_even, p_square, 0x1.58f26069c66aep-4);
  p_even = fma_f64(p_even, p_square, 0x1.04a474ddb301bp-3);
  p_even = fma_f64(p_even, p_square, 0x1.cf274d6e71e79p-2);
  F p_odd = -0x1.28a9ea04aa171p-5;
  p_odd = fma_f64(p_odd, p_square, -0x1.b14a834c2ed3ep-6);
  p_odd = fma_f64(p_odd, p_square, -0x1.0731c9162805bp-5);
  p_odd = fma_f64(p_odd, p_square, -0x1.2c3bdcf872a61p-5);
  p_odd = fma_f64(p_odd, p_square, -0x1.604d99650c29p-5);
  p_odd = fma_f64(p_odd, p_square, -0x1.aa3f7f94ccdfbp-5);
  p_odd = fma_f64(p_odd, p_square, -0x1.0e049ba02bcabp-4);
  p_odd = fma_f64(p_odd, p_square, -0x1.716ccfe7db861p-4);
  p_odd = fma_f64(p_odd, p_square, -0x1.288b4c4974444p-3);
  p_odd = fma_f64(p_odd, p_square, -0x1.ad90aeb86d2c6p-2);
  F p = fma_f64(p_odd, t, p_even);
  F zeros = x < 1.0 ? x * (x - 1.0) : (y - 1.0) * (y - 2.0);
  F near = fma_f64(zeros, p, x < 1.0 ? -l : l);
  F z = r * r;
  F s = -0x1.e4286cb0f5398p-6;
  s = fma_f64(s, z, 0x1.a41a41a41a41ap-8);
  s = fma_f64(s, z, -0x1.f6ab0d9993c7dp-10);
  s = fma_f64(s, z, 0x1.b951e2b18ff23p-11);
  s = fma_f64(s, z, -0x1.3813813813814p-11);
  s = fma_f64(s, z, 0x1.a01a01a01a01ap-11);
  s = fma_f64(s, z, -0x1.6c16c16c16c17p-9);
  s = fma_f64(s, z, 0x1.5555555555555p-4);
  F far = fma_f64(x - 0.5, l - 1.0, fma_f64(s, r, 0x1.acfe390c97d69p-2));
  return x < 8.0 ? near : far;
}

/// Below 0 by Γ(x) Γ(1 - x) = π / sin(πx), only computed where a lane asks for it.
//# lgamma_f64: types any_lane select abs_f64 infinity_f64 log_f64 sinpi_f64 lgamma_positive_f64
template <class F> KROTON_INLINE F lgamma_f64(F x) {
  auto is_negative = x < 0.0;
  F a = abs_f64(x);
  F y = lgamma_positive_f64(is_negative ? a + 1.0 : a);
  if (any_lane(is_negative)) {
    F sine = abs_f64(sinpi_f64(x));
    F reflected = -log_f64(a < 0x1p-60 ? a : 0x1.45f306dc9c883p-2 * sine) - y;
    y = select(is_negative, sine > 0.0 ? reflected : infinity_f64(), y);
  }
  return x == x ? y : x;
}

//# lgamma_f32: types convert lgamma_f64
template <class F> KROTON_INLINE F lgamma_f32(F x) { return convert<f32>(lgamma_f64(convert<f64>(x))); }

/// Γ'(x)/Γ(x) for x >= 0: log(w) - 1/(2w) - 1/(12w²) + … of w >= 8, which is x or x + 8; then Σ 1/(x + k), k < 8, which is
/// one fraction, is taken off.
//# digamma_positive_f64: types fma_f64 log_f64
template <class F> KROTON_INLINE F digamma_positive_f64(F x) {
  F above = 0.0;
  F below = 1.0;
  for (int k = 0; k < 8; ++k) {
    F term = x + (f64)k;
    above = fma_f64(above, term, below);
    below = below * term;
  }
  F w = x < 8.0 ? x + 8.0 : x;
  F r = 1.0 / w;
  F z = r * r;
  F s = 0x1.86e7f9b9fe6e8p+1;
  s = fma_f64(s, z, -0x1.c5e5e5e5e5e5ep-2);
  s = fma_f64(s, z, 0x1.5555555555555p-4);
  s = fma_f64(s, z, -0x1.5995995995996p-6);
  s = fma_f64(s, z, 0x1.f07c1f07c1f08p-8);
  s = fma_f64(s, z, -0x1.1111111111111p-8);
  s = fma_f64(s, z, 0x1.041041041041p-8);
  s = fma_f64(s, z, -0x1.1111111111111p-7);
  s = fma_f64(s, z, 0x1.5555555555555p-4);
  F y = log_f64(w) - fma_f64(s, z, 0.5 * r);
  return x < 8.0 ? y - above / below : y;
}

/// Below 0 ψ(1 - x) - π cot(πx), only computed where a lane asks for it. NaN at negative integers, -∞ at +0, +∞ at -0.
//# digamma_f64: types any_lane select abs_f64 copysign_f64 infinity_f64 nan_f64 sinpi_f64 cospi_f64 digamma_positive_f64
template <class F> KROTON_INLINE F digamma_f64(F x) {
  auto is_negative = x < 0.0;
  F a = abs_f64(x);
  F y = digamma_positive_f64(is_negative ? a + 1.0 : a);
  if (any_lane(is_negative)) {
    F sine = sinpi_f64(x);
    F reflected = y - 0x1.921fb54442d18p+1 * cospi_f64(x) / sine;
    y = select(is_negative, sine == 0.0 ? nan_f64() : reflected, y);
  }
  y = x == 0.0 ? copysign_f64(infinity_f64(), -x) : y;
  return x == x ? y : x;
}

//# digamma_f32: types convert digamma_f64
template <class F> KROTON_INLINE F digamma_f32(F x) { return convert<f32>(digamma_f64(convert<f64>(x))); }

/// Σ 1/(x + k)² for x >= 0: by the asymptotic series of w >= 8, which is x or x + 8, and in that case the first eight terms,
/// of which all but the first are one fraction.
//# trigamma_positive_f64: types fma_f64
template <class F> KROTON_INLINE F trigamma_positive_f64(F x) {
  F above = 0.0;
  F below = 1.0;
  for (int k = 1; k < 8; ++k) {
    F term = (x + (f64)k) * (x + (f64)k);
    above = fma_f64(above, term, below);
    below = below * term;
  }
  F w = x < 8.0 ? x + 8.0 : x;
  F r = 1.0 / w;
  F z = r * r;
  F s = -0x1.088fe72cfe72dp+9;
  s = fma_f64(s, z, 0x1.b7c4f8f13e3c5p+5);
  s = fma_f64(s, z, -0x1.c5e5e5e5e5e5ep+2);
  s = fma_f64(s, z, 0x1.2aaaaaaaaaaabp+0);
  s = fma_f64(s, z, -0x1.033033033033p-2);
  s = fma_f64(s, z, 0x1.364d9364d9365p-4);
  s = fma_f64(s, z, -0x1.1111111111111p-5);
  s = fma_f64(s, z, 0x1.8618618618618p-6);
  s = fma_f64(s, z, -0x1.1111111111111p-5);
  s = fma_f64(s, z, 0x1.5555555555555p-3);
  F y = fma_f64(s * z, r, fma_f64(0.5 * r, r, r));
  F first = 1.0 / x;
  return x < 8.0 ? fma_f64(first, first, above / below + y) : y;
}

/// Below 0 π²/sin²(πx) - ψ'(1 - x), only computed where a lane asks for it.
//# trigamma_f64: types any_lane select abs_f64 sinpi_f64 trigamma_positive_f64
template <class F> KROTON_INLINE F trigamma_f64(F x) {
  auto is_negative = x < 0.0;
  F a = abs_f64(x);
  F y = trigamma_positive_f64(is_negative ? a + 1.0 : a);
  if (any_lane(is_negative)) {
    F q = 0x1.921fb54442d18p+1 / sinpi_f64(x);
    y = select(is_negative, q * q - y, y);
  }
  return x == x ? y : x;
}

//# trigamma_f32: types convert trigamma_f64
template <class F> KROTON_INLINE F trigamma_f32(F x) { return convert<f32>(trigamma_f64(convert<f64>(x))); }
