// erfcx, erfinv, erfcinv. Coefficients from minimax.py, which also prints their errors.

/// e^(a²) erfc(a) for a >= 0: P(t) / (a + 4) with t = (a - 4)/(a + 4), relative error 2^-28.2 before rounding. What
/// rounding took from a + 4, `lost`, is put right by the derivative, 2a y - 2/√π.
//# erfcx_positive_f32: types fma_f32
template <class F> KROTON_INLINE F erfcx_positive_f32(F a) {
  F d = a + 4.0f;
  F r = 1.0f / d;
  F t = fma_f32(-8.0f, r, 1.0f);
  F p = -0x1.0ce1fp-20f;
  p = fma_f32(p, t, -0x1.f46116p-17f);
  p = fma_f32(p, t, 0x1.a99f8ap-17f);
  p = fma_f32(p, t, 0x1.69c80cp-13f);
  p = fma_f32(p, t, -0x1.f53ae6p-12f);
  p = fma_f32(p, t, -0x1.248182p-12f);
  p = fma_f32(p, t, 0x1.91b38ep-8f);
  p = fma_f32(p, t, -0x1.b00ceep-6f);
  p = fma_f32(p, t, 0x1.38d43ep-4f);
  p = fma_f32(p, t, -0x1.645fe8p-3f);
  p = fma_f32(p, t, 0x1.52cb2ap-2f);
  p = fma_f32(p, t, -0x1.14eacap-1f);
  p = fma_f32(p, t, 0x1.8be1fep-1f);
  p = fma_f32(p, t, -0x1.f3fe32p-1f);
  p = fma_f32(p, t, 0x1.18932cp+0f);
  F y = p * r;
  F near = a < 16.0f ? a : 16.0f;
  F lost = near - ((near + 4.0f) - 4.0f);
  return fma_f32(lost, fma_f32(2.0f * near, y, -0x1.20dd76p+0f), y);
}

/// Below 0 it is 2 e^(x²) - erfcx(-x), only computed where a lane asks for it. The square h of x's first digits is exact,
/// and what is left of x² is small.
//# erfcx_f32: types any_lane select abs_f32 fma_f32 bits_f32 from_bits_f32 exp_quotient_f32 exp_f32 erfcx_positive_f32
template <class F> KROTON_INLINE F erfcx_f32(F x) {
  F a = abs_f32(x);
  F y = erfcx_positive_f32(a);
  auto is_negative = x < 0.0f;
  if (any_lane(is_negative)) {
    F c = a > 10.0f ? 10.0f : a;
    F first = from_bits_f32(bits_f32(c) & 0xfffff000u);
    F rest = (c - first) * (c + first);
    F e = 2.0f * exp_f32(first * first);
    F more = fma_f32(fma_f32(exp_quotient_f32(rest), rest, 1.0f), rest, 1.0f);
    y = select(is_negative, e * more - y, y);
  }
  return y;
}

/// erfinv(x) for |x| <= 1/2: x P(x²), relative error 2^-25.2 before rounding.
//# erfinv_centre_f32: types fma_f32
template <class F> KROTON_INLINE F erfinv_centre_f32(F x) {
  F z = x * x;
  F p = -0x1.85e52cp-2f;
  p = fma_f32(p, z, 0x1.d7d648p-2f);
  p = fma_f32(p, z, -0x1.bf02c8p-4f);
  p = fma_f32(p, z, 0x1.89be9p-4f);
  p = fma_f32(p, z, 0x1.55563ep-4f);
  p = fma_f32(p, z, 0x1.059558p-3f);
  p = fma_f32(p, z, 0x1.db27e8p-3f);
  p = fma_f32(p, z, 0x1.c5bf8ap-1f);
  return p * x;
}

/// The x >= 0 of erfc(x) = q, for 0 < q <= 1/2: s + P(t) with s = sqrt(-log(q)) and t = (s - 3)/(s + 3), relative error
/// 2^-28.3 before rounding.
//# erfcinv_tail_f32: types fma_f32 sqrt_f32 log_f32
template <class F> KROTON_INLINE F erfcinv_tail_f32(F q) {
  F s = sqrt_f32(-log_f32(q));
  F t = (s - 3.0f) / (s + 3.0f);
  F p = 0x1.90edbep-5f;
  p = fma_f32(p, t, 0x1.857446p-5f);
  p = fma_f32(p, t, 0x1.e23c3ap-5f);
  p = fma_f32(p, t, -0x1.4d3af6p-4f);
  p = fma_f32(p, t, -0x1.d446b6p-4f);
  p = fma_f32(p, t, 0x1.ddadcap-4f);
  p = fma_f32(p, t, -0x1.ec11bep-6f);
  p = fma_f32(p, t, 0x1.8fc062p-6f);
  p = fma_f32(p, t, 0x1.73ee94p-13f);
  p = fma_f32(p, t, -0x1.c4df96p-5f);
  p = fma_f32(p, t, 0x1.de1aeep-4f);
  p = fma_f32(p, t, -0x1.393cf2p-3f);
  p = fma_f32(p, t, 0x1.64a98cp-3f);
  p = fma_f32(p, t, -0x1.02b782p-3f);
  p = fma_f32(p, t, 0x1.bf4e32p-5f);
  p = fma_f32(p, t, 0x1.00873p-2f);
  p = fma_f32(p, t, -0x1.2415b2p-2f);
  return s + p;
}

//# erfinv_f32: types abs_f32 copysign_f32 infinity_f32 erfinv_centre_f32 erfcinv_tail_f32
template <class F> KROTON_INLINE F erfinv_f32(F x) {
  F a = abs_f32(x);
  F large = a == 1.0f ? infinity_f32() : erfcinv_tail_f32(1.0f - a);
  return a <= 0.5f ? erfinv_centre_f32(x) : copysign_f32(large, x);
}

//# erfcinv_f32: types infinity_f32 erfinv_centre_f32 erfcinv_tail_f32
template <class F> KROTON_INLINE F erfcinv_f32(F x) {
  F q = x > 1.0f ? 2.0f - x : x;
  F large = q == 0.0f ? infinity_f32() : erfcinv_tail_f32(q);
  large = x > 1.0f ? -large : large;
  return q > 0.5f ? erfinv_centre_f32(1.0f - x) : large;
}

/// e^(a²) erfc(a) for a >= 0: P(t) / (a + 4) with t = (a - 4)/(a + 4), relative error 2^-54.1 before rounding. What
/// rounding took from a + 4, `lost`, is put right by the derivative, 2a y - 2/√π.
//# erfcx_positive_f64: types fma_f64
template <class F> KROTON_INLINE F erfcx_positive_f64(F a) {
  F d = a + 4.0;
  F r = 1.0 / d;
  F t = fma_f64(-8.0, r, 1.0);
  F p_square = t * t;
  F p_even = 0x1.0c6b8259e7086p-32;
  p_even = fma_f64(p_even, p_square, -0x1.edb42b1cb07ffp-30);
  p_even = fma_f64(p_even, p_square, 0x1.e35c26d0baffcp-28);
  p_even = fma_f64(p_even, p_square, -0x1.c31bf2e251b6dp-26);
  p_even = fma_f64(p_even, p_square, 0x1.23c6720aedf3bp-23);
  p_even = fma_f64(p_even, p_square, -0x1.cacddcf53b00cp-21);
  p_even = fma_f64(p_even, p_square, 0x1.3b507319a710ap-18);
  p_even = fma_f64(p_even, p_square, -0x1.e8183eb5e6f43p-19);
  p_even = fma_f64(p_even, p_square, -0x1.dd282f60271f5p-12);
  p_even = fma_f64(p_even, p_square, 0x1.908f46ed8a645p-8);
  p_even = fma_f64(p_even, p_square, 0x1.38dbd2c9392ebp-4);
  F p_odd = -0x1.326ee5dbc2f26p-32;
  p_odd = fma_f64(p_odd, p_square, 0x1.023d7564a8bfdp-29);
  p_odd = fma_f64(p_odd, p_square, -0x1.8842027058363p-28);
  p_odd = fma_f64(p_odd, p_square, 0x1.6c06ab3c51321p-27);
  p_odd = fma_f64(p_odd, p_square, -0x1.8d4ddbc858fd5p-27);
  p_odd = fma_f64(p_odd, p_square, -0x1.19d711e4b40b3p-24);
  p_odd = fma_f64(p_odd, p_square, 0x1.7cdae436c81d7p-20);
  p_odd = fma_f64(p_odd, p_square, -0x1.3c66388c6edacp-16);
  p_odd = fma_f64(p_odd, p_square, 0x1.72cd6256bfe34p-13);
  p_odd = fma_f64(p_odd, p_square, -0x1.269b4c57c05ecp-12);
  p_odd = fma_f64(p_odd, p_square, -0x1.b00c052ea3894p-6);
  F p = fma_f64(p_odd, t, p_even);
  p = fma_f64(p, t, -0x1.645fd8a4b76dfp-3);
  p = fma_f64(p, t, 0x1.52cac2370edadp-2);
  p = fma_f64(p, t, -0x1.14eacb1ad03c3p-1);
  p = fma_f64(p, t, 0x1.8be202d26c748p-1);
  p = fma_f64(p, t, -0x1.f3fe31ecb49bep-1);
  p = fma_f64(p, t, 0x1.18932bf08e154p+0);
  F y = p * r;
  F near = a < 16.0 ? a : 16.0;
  F lost = near - ((near + 4.0) - 4.0);
  return fma_f64(lost, fma_f64(2.0 * near, y, -0x1.20dd750429b6dp+0), y);
}

/// Below 0 it is 2 e^(x²) - erfcx(-x), only computed where a lane asks for it. The square h of x's first digits is exact,
/// and what is left of x² is small.
//# erfcx_f64: types any_lane select abs_f64 fma_f64 bits_f64 from_bits_f64 exp_quotient_f64 exp_f64 erfcx_positive_f64
template <class F> KROTON_INLINE F erfcx_f64(F x) {
  F a = abs_f64(x);
  F y = erfcx_positive_f64(a);
  auto is_negative = x < 0.0;
  if (any_lane(is_negative)) {
    F c = a > 27.0 ? 27.0 : a;
    F first = from_bits_f64(bits_f64(c) & 0xfffffffff8000000ul);
    F rest = (c - first) * (c + first);
    F e = 2.0 * exp_f64(first * first);
    F more = fma_f64(fma_f64(exp_quotient_f64(rest), rest, 1.0), rest, 1.0);
    y = select(is_negative, e * more - y, y);
  }
  return y;
}

/// erfinv(x) for |x| <= 1/2: x P(x²), relative error 2^-54.5 before rounding.
//# erfinv_centre_f64: types fma_f64
template <class F> KROTON_INLINE F erfinv_centre_f64(F x) {
  F z = x * x;
  F p_square = z * z;
  F p_even = 0x1.520bbe3932e84p+1;
  p_even = fma_f64(p_even, p_square, 0x1.3f7faed4f2cf9p+0);
  p_even = fma_f64(p_even, p_square, 0x1.09d5dd3c2af6bp-3);
  p_even = fma_f64(p_even, p_square, 0x1.16d39582b1fbap-5);
  p_even = fma_f64(p_even, p_square, 0x1.5f096353c466bp-5);
  p_even = fma_f64(p_even, p_square, 0x1.0a131e3ff6bdbp-4);
  p_even = fma_f64(p_even, p_square, 0x1.053c2c0ae21dp-3);
  p_even = fma_f64(p_even, p_square, 0x1.c5bf891b4ef6bp-1);
  F p_odd = -0x1.4bf4a0ffacbccp+0;
  p_odd = fma_f64(p_odd, p_square, -0x1.27b6cd61edfa7p+1);
  p_odd = fma_f64(p_odd, p_square, -0x1.9fef3705f3508p-2);
  p_odd = fma_f64(p_odd, p_square, 0x1.39f3167c39fa1p-7);
  p_odd = fma_f64(p_odd, p_square, 0x1.28f2beea11658p-5);
  p_odd = fma_f64(p_odd, p_square, 0x1.a7c6f4257a4fep-5);
  p_odd = fma_f64(p_odd, p_square, 0x1.62847c2b574aep-4);
  p_odd = fma_f64(p_odd, p_square, 0x1.db29fb2fee271p-3);
  F p = fma_f64(p_odd, z, p_even);
  return p * x;
}

/// The x >= 0 of erfc(x) = q, for 0 < q <= 1/2: s + P(t) with s = sqrt(-log(q)). Up to s = 6.2, q = 2^-55, t is
/// (s - 3)/(s + 3), relative error 2^-58.2 before rounding; beyond (s - 12)/(s + 12), error 2^-59.9, which is only computed
/// where a lane asks for it.
//# erfcinv_tail_f64: types any_lane select fma_f64 sqrt_f64 log_f64
template <class F> KROTON_INLINE F erfcinv_tail_f64(F q) {
  F s = sqrt_f64(-log_f64(q));
  F t = (s - 3.0) / (s + 3.0);
  F p_square = t * t;
  F p_even = -0x1.6e5349580c12cp-3;
  p_even = fma_f64(p_even, p_square, -0x1.28b20caf0912dp-1);
  p_even = fma_f64(p_even, p_square, 0x1.6847e26e23796p-2);
  p_even = fma_f64(p_even, p_square, -0x1.8ce8935ff92f1p-4);
  p_even = fma_f64(p_even, p_square, 0x1.51268f78d58fap-5);
  p_even = fma_f64(p_even, p_square, 0x1.25c56f508fcd7p-5);
  p_even = fma_f64(p_even, p_square, 0x1.cd6359a179b0cp-12);
  p_even = fma_f64(p_even, p_square, -0x1.93826d65166e8p-5);
  p_even = fma_f64(p_even, p_square, -0x1.de0a61014869cp-5);
  p_even = fma_f64(p_even, p_square, 0x1.a6e89fc8c9eddp-8);
  p_even = fma_f64(p_even, p_square, 0x1.db0f8b9ba2f58p-4);
  p_even = fma_f64(p_even, p_square, 0x1.64c11fadeda41p-3);
  p_even = fma_f64(p_even, p_square, 0x1.bf4bb342255f2p-5);
  p_even = fma_f64(p_even, p_square, -0x1.2415b16593ea3p-2);
  F p_odd = -0x1.5d0d5c2677fb5p-1;
  p_odd = fma_f64(p_odd, p_square, 0x1.73a9e4071c9c5p-3);
  p_odd = fma_f64(p_odd, p_square, 0x1.843640705622dp-4);
  p_odd = fma_f64(p_odd, p_square, -0x1.c52541e941a4bp-5);
  p_odd = fma_f64(p_odd, p_square, -0x1.e23cbba7a6193p-6);
  p_odd = fma_f64(p_odd, p_square, -0x1.7af9f9c2b7c2cp-6);
  p_odd = fma_f64(p_odd, p_square, 0x1.b9cc759a76c5ep-6);
  p_odd = fma_f64(p_odd, p_square, 0x1.03f8b205143f8p-4);
  p_odd = fma_f64(p_odd, p_square, 0x1.301dbb116610dp-5);
  p_odd = fma_f64(p_odd, p_square, -0x1.d216ced0c964fp-5);
  p_odd = fma_f64(p_odd, p_square, -0x1.3905bb8d4c5ffp-3);
  p_odd = fma_f64(p_odd, p_square, -0x1.02b9213ea9772p-3);
  p_odd = fma_f64(p_odd, p_square, 0x1.008731e3f7853p-2);
  F p = fma_f64(p_odd, t, p_even);
  auto is_far = s > 6.2;
  if (any_lane(is_far)) {
    F u = (s - 12.0) / (s + 12.0);
    F far_square = u * u;
    F far_even = 0x1.1324ad885ffebp-5;
    far_even = fma_f64(far_even, far_square, 0x1.85beefd6589d8p-5);
    far_even = fma_f64(far_even, far_square, 0x1.4077b82959ce4p-5);
    far_even = fma_f64(far_even, far_square, 0x1.6b3f7412d0aa2p-5);
    far_even = fma_f64(far_even, far_square, 0x1.56a98ed6c4ec9p-5);
    far_even = fma_f64(far_even, far_square, 0x1.2b85cfbe6d5acp-5);
    far_even = fma_f64(far_even, far_square, 0x1.ba81432b04f1p-6);
    far_even = fma_f64(far_even, far_square, 0x1.97cb7c27560d3p-7);
    far_even = fma_f64(far_even, far_square, -0x1.17b6454f70b6ap-7);
    far_even = fma_f64(far_even, far_square, -0x1.424dd831fd6adp-5);
    far_even = fma_f64(far_even, far_square, -0x1.779354f1615eap-4);
    far_even = fma_f64(far_even, far_square, -0x1.05aab501f4808p-3);
    F far_odd = -0x1.f50bd7999d543p-5;
    far_odd = fma_f64(far_odd, far_square, -0x1.15bbe4b638057p-5);
    far_odd = fma_f64(far_odd, far_square, -0x1.6b5680c63d4adp-5);
    far_odd = fma_f64(far_odd, far_square, -0x1.5fa300ba8571dp-5);
    far_odd = fma_f64(far_odd, far_square, -0x1.435cbe0848287p-5);
    far_odd = fma_f64(far_odd, far_square, -0x1.063860da615ebp-5);
    far_odd = fma_f64(far_odd, far_square, -0x1.4629a77bbe66dp-6);
    far_odd = fma_f64(far_odd, far_square, -0x1.0cb2ddaf255e4p-9);
    far_odd = fma_f64(far_odd, far_square, 0x1.88a2710e15717p-6);
    far_odd = fma_f64(far_odd, far_square, 0x1.0cf5775fc3a55p-4);
    far_odd = fma_f64(far_odd, far_square, 0x1.62928f259b32fp-3);
    F far = fma_f64(far_odd, u, far_even);
    p = select(is_far, far, p);
  }
  return s + p;
}

//# erfinv_f64: types abs_f64 copysign_f64 infinity_f64 erfinv_centre_f64 erfcinv_tail_f64
template <class F> KROTON_INLINE F erfinv_f64(F x) {
  F a = abs_f64(x);
  F large = a == 1.0 ? infinity_f64() : erfcinv_tail_f64(1.0 - a);
  return a <= 0.5 ? erfinv_centre_f64(x) : copysign_f64(large, x);
}

//# erfcinv_f64: types infinity_f64 erfinv_centre_f64 erfcinv_tail_f64
template <class F> KROTON_INLINE F erfcinv_f64(F x) {
  F q = x > 1.0 ? 2.0 - x : x;
  F large = q == 0.0 ? infinity_f64() : erfcinv_tail_f64(q);
  large = x > 1.0 ? -large : large;
  return q > 0.5 ? erfinv_centre_f64(1.0 - x) : large;
}
