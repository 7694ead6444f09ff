// erf, erfc. Coefficients from minimax.py, which also prints their errors.

/// erf(x) for |x| < 1/2: x + x P(x²), relative error 2^-29.9 before rounding.
//# erf_small_f32: types fma_f32
template <class F> KROTON_INLINE F erf_small_f32(F x) {
  F z = x * x;
  F p = -0x1.48128cp-12f;
  p = fma_f32(p, z, 0x1.41f426p-8f);
  p = fma_f32(p, z, -0x1.b7153p-6f);
  p = fma_f32(p, z, 0x1.ce28e4p-4f);
  p = fma_f32(p, z, -0x1.81273ap-2f);
  p = fma_f32(p, z, 0x1.06eba8p-3f);
  return fma_f32(p, x, x);
}

/// erfc(a) for a >= 1/2: e^(m - a²) / (2a + 5/8) with a polynomial m of t = (a - 3/2)/(a + 3/2), relative error
/// 2^-28.9 before rounding. What rounding added to 2a + 5/8, `lost`, is corrected in m, by an approximate quotient. The
/// square h of a's first 12 bits is exact; m - a² is rest - h, and that n ln(2) + r.
//# erfc_large_f32: types fma_f32 bits_f32 from_bits_f32 exp_quotient_f32 scale_f32
template <class F> KROTON_INLINE F erfc_large_f32(F a) {
  F c = a > 10.25f ? 10.25f : a;
  F d = 2.0f * c + 0.625f;
  F t = (c - 1.5f) / (c + 1.5f);
  F m = -0x1.847e84p-10f;
  m = fma_f32(m, t, 0x1.f5b95p-9f);
  m = fma_f32(m, t, -0x1.9cd4fep-9f);
  m = fma_f32(m, t, 0x1.9a42a2p-8f);
  m = fma_f32(m, t, -0x1.345c6ap-6f);
  m = fma_f32(m, t, 0x1.458442p-6f);
  m = fma_f32(m, t, -0x1.daa0e4p-6f);
  m = fma_f32(m, t, 0x1.16516ap-3f);
  m = fma_f32(m, t, -0x1.1962bcp-2f);
  m = fma_f32(m, t, 0x1.07b892p-3f);
  m = fma_f32(m, t, 0x1.3a15f6p-3f);
  F lost = (d - 0.625f) - 2.0f * c;
  m = fma_f32(lost, (1.0f - t) * fma_f32(fma_f32(t, 0.11f, -0.22f), t, 0.285f), m);
  F first = from_bits_f32(bits_f32(c) & 0xfffff000u);
  F h = first * first;
  F rest = fma_f32(first - c, first + c, m);
  F shifted = fma_f32(rest - h, 0x1.715476p0f, 0x1.8p23f);
  F n = shifted - 0x1.8p23f;
  F r = fma_f32(n, -0x1.7f7d1cp-20f, fma_f32(n, -0x1.62e4p-1f, -h) + rest);
  return scale_f32(fma_f32(fma_f32(exp_quotient_f32(r), r, 1.0f), r, 1.0f) / d, shifted);
}

//# erf_f32: types abs_f32 copysign_f32 erf_small_f32 erfc_large_f32
template <class F> KROTON_INLINE F erf_f32(F x) {
  F a = abs_f32(x);
  F large = copysign_f32(1.0f - erfc_large_f32(a), x);
  return a < 0.5f ? erf_small_f32(x) : large;
}

//# erfc_f32: types abs_f32 erf_small_f32 erfc_large_f32
template <class F> KROTON_INLINE F erfc_f32(F x) {
  F a = abs_f32(x);
  F large = erfc_large_f32(a);
  large = x < 0.0f ? 2.0f - large : large;
  return a < 0.5f ? 1.0f - erf_small_f32(x) : large;
}

/// erf(x) for |x| < 1/2: x + x P(x²), relative error 2^-56.2 before rounding.
//# erf_small_f64: types fma_f64
template <class F> KROTON_INLINE F erf_small_f64(F x) {
  F z = x * x;
  F p = -0x1.0f560b37fa4ffp-21;
  p = fma_f64(p, z, 0x1.124e4dfe93dedp-19);
  p = fma_f64(p, z, -0x1.fb2c9f7fdcf95p-17);
  p = fma_f64(p, z, 0x1.f9d7310822049p-14);
  p = fma_f64(p, z, -0x1.c02eac6d41c9ep-11);
  p = fma_f64(p, z, 0x1.565bcfc817998p-8);
  p = fma_f64(p, z, -0x1.b82ce31b28f95p-6);
  p = fma_f64(p, z, 0x1.ce2f21a050817p-4);
  p = fma_f64(p, z, -0x1.812746b037a7p-2);
  p = fma_f64(p, z, 0x1.06eba8214db69p-3);
  return fma_f64(p, x, x);
}

/// erfc(a) for a >= 1/2: e^(m - a²) / (2a + 5/8) with a polynomial m of t = (a - 3/2)/(a + 3/2), relative error
/// 2^-56.5 before rounding, added up by even and odd powers. What rounding added to 2a + 5/8, `lost`, is corrected in m,
/// by an approximate quotient. The square h of a's first 26 bits is exact; m - a² is rest - h, and that n ln(2) + r.
//# erfc_large_f64: types fma_f64 bits_f64 from_bits_f64 exp_quotient_f64 scale_f64
template <class F> KROTON_INLINE F erfc_large_f64(F a) {
  F c = a > 27.5 ? 27.5 : a;
  F d = 2.0 * c + 0.625;
  F t = (c - 1.5) / (c + 1.5);
  F v = t * t;
  F even = 0x1.ebefc03f0d8b6p-20;
  even = fma_f64(even, v, 0x1.0be098212883p-18);
  even = fma_f64(even, v, -0x1.621bf74e6323ap-16);
  even = fma_f64(even, v, -0x1.00eca656fbdbcp-15);
  even = fma_f64(even, v, -0x1.1a7008f915861p-14);
  even = fma_f64(even, v, -0x1.1b9682774ea11p-13);
  even = fma_f64(even, v, -0x1.704f37173324fp-11);
  even = fma_f64(even, v, -0x1.6af774453a831p-10);
  even = fma_f64(even, v, -0x1.8a878ab550332p-9);
  even = fma_f64(even, v, -0x1.351e3c14100b7p-6);
  even = fma_f64(even, v, -0x1.da8d47d8aa248p-6);
  even = fma_f64(even, v, -0x1.1962c438e67a4p-2);
  even = fma_f64(even, v, 0x1.3a15f5e0c4154p-3);
  F odd = -0x1.de2d23c622c95p-18;
  odd = fma_f64(odd, v, 0x1.f72e7f86f22b3p-17);
  odd = fma_f64(odd, v, 0x1.0aaf0b8fd5474p-16);
  odd = fma_f64(odd, v, 0x1.06fc18e453eeep-15);
  odd = fma_f64(odd, v, 0x1.4ce544428fc0cp-13);
  odd = fma_f64(odd, v, 0x1.3d50e4b66353cp-12);
  odd = fma_f64(odd, v, 0x1.380972f89a74ap-11);
  odd = fma_f64(odd, v, 0x1.bd43514081728p-9);
  odd = fma_f64(odd, v, 0x1.a02fe13f9013cp-8);
  odd = fma_f64(odd, v, 0x1.4567246a8e0ap-6);
  odd = fma_f64(odd, v, 0x1.16517ecbfd15ap-3);
  odd = fma_f64(odd, v, 0x1.07b891f824788p-3);
  F m = fma_f64(odd, t, even);
  F lost = (d - 0.625) - 2.0 * c;
  m = fma_f64(lost, (1.0 - t) * fma_f64(fma_f64(t, 0.11, -0.22), t, 0.285), m);
  F first = from_bits_f64(bits_f64(c) & 0xfffffffff8000000ul);
  F h = first * first;
  F rest = fma_f64(first - c, first + c, m);
  F shifted = fma_f64(rest - h, 0x1.71547652b82fep0, 0x1.8p52);
  F n = shifted - 0x1.8p52;
  F r = fma_f64(n, -0x1.a39ef35793c76p-33, fma_f64(n, -0x1.62e42feep-1, -h) + rest);
  return scale_f64(fma_f64(fma_f64(exp_quotient_f64(r), r, 1.0), r, 1.0) / d, shifted);
}

//# erf_f64: types abs_f64 copysign_f64 erf_small_f64 erfc_large_f64
template <class F> KROTON_INLINE F erf_f64(F x) {
  F a = abs_f64(x);
  F large = copysign_f64(1.0 - erfc_large_f64(a), x);
  return a < 0.5 ? erf_small_f64(x) : large;
}

//# erfc_f64: types abs_f64 erf_small_f64 erfc_large_f64
template <class F> KROTON_INLINE F erfc_f64(F x) {
  F a = abs_f64(x);
  F large = erfc_large_f64(a);
  large = x < 0.0 ? 2.0 - large : large;
  return a < 0.5 ? 1.0 - erf_small_f64(x) : large;
}
