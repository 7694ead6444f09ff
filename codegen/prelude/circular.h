// sin, cos and tan of radians. The argument is reduced to r, at most an eighth of a turn around 0: below a limit by
// subtracting multiples of π/2 in three parts, beyond it by multiplying with as many digits of 2/π as count. Vectors take
// the long way only if one of their lanes needs it. Coefficients from minimax.py, which also prints their errors.

/// x = r + n π/2 with |r| <= π/4, or hardly more; `shifted` is n + 1.5·2^23 (f64: 2^52), whose low bits are those of the
/// integer n, or of one that differs by a multiple of 4.
//# angle_parts:
template <class F> struct angle_parts { F r; F shifted; };

/// x - n π/2 for |n| < 2^16. The parts of π/2 are positive: -0 remains -0.
//# less_quarters_f32: types convert fma_f32
template <class F> KROTON_INLINE F less_quarters_f32(F x, F n) {
#ifdef __FMA__
  return fma_f32(n, -0x1.846988p-48f, fma_f32(n, -0x1.4442dp-24f, fma_f32(n, -0x1.921fb4p0f, x)));
#else
  auto m = convert<f64>(n);
  return convert<f32>((convert<f64>(x) - m * 0x1.921fb544p0) - m * 0x1.0b4611a626331p-34);
#endif
}

/// 2x/π less a multiple of 4, in two parts, for x of 24 digits. 2/π is in pieces of 28 digits, with which the products
/// are exact.
//# quarter_turns_f32: types rint_f64 double_double
template <class F> KROTON_INLINE double_double<F> quarter_turns_f32(F x) {
  constexpr f64 pieces[7] = {0xa2f9836p-28, 0xe4e4415p-56, 0x29fc275p-84, 0x7d1f534p-112, 0xddc0db6p-140, 0x295993cp-168, 0x439041fp-196};
  F hi = x - x, lo = hi;
  for (f64 piece : pieces) {
    F t = x * piece;
    t -= 4.0 * rint_f64(0.25 * t);
    F sum = hi + t;
    F added = sum - hi;
    lo += (hi - (sum - added)) + (t - added);
    hi = sum;
  }
  return {hi - 4.0 * rint_f64(0.25 * hi), lo};
}

//# reduce_f32: types any_lane select convert fma_f32 abs_f32 angle_parts less_quarters_f32 quarter_turns_f32
template <class F> KROTON_INLINE angle_parts<F> reduce_f32(F x) {
  F shifted = fma_f32(x, 0x1.45f306p-1f, 0x1.8p23f);
  F r = less_quarters_f32(x, shifted - 0x1.8p23f);
  auto far = abs_f32(x) >= 0x1p16f;
  if (any_lane(far)) {
    auto t = quarter_turns_f32(convert<f64>(x));
    F n = convert<f32>(t.hi) + 0x1.8p23f;
    r = select(far, convert<f32>(((t.hi - convert<f64>(n - 0x1.8p23f)) + t.lo) * 0x1.921fb54442d18p0), r);
    shifted = select(far, n, shifted);
  }
  return {r, shifted};
}

/// sin of n quarter turns and r: sin(r) or cos(r), or the negative of it; relative errors 2^-27.8 and 2^-33.1 before
/// rounding.
//# sine_f32: types select bits_f32 from_bits_f32 fma_f32
template <class F, class U> KROTON_INLINE F sine_f32(F r, U n) {
  F z = r * r;
  F s = -0x1.992384p-13f;
  s = fma_f32(s, z, 0x1.1106d4p-7f);
  s = fma_f32(s, z, -0x1.555544p-3f);
  F c = 0x1.99e4eep-16f;
  c = fma_f32(c, z, -0x1.6c0c22p-10f);
  c = fma_f32(c, z, 0x1.55554ap-5f);
  F even = r == 0.0f ? r : fma_f32(r * z, s, r);
  F y = select((n & 1u) != 0u, fma_f32(c, z * z, fma_f32(z, -0.5f, 1.0f)), even);
  return from_bits_f32(bits_f32(y) ^ ((n << 30) & 0x80000000u));
}

//# sin_f32: types bits_f32 reduce_f32 sine_f32
template <class F> KROTON_INLINE F sin_f32(F x) {
  auto [r, n] = reduce_f32(x);
  return sine_f32(r, bits_f32(n));
}

//# cos_f32: types bits_f32 reduce_f32 sine_f32
template <class F> KROTON_INLINE F cos_f32(F x) {
  auto [r, n] = reduce_f32(x);
  return sine_f32(r, bits_f32(n) + 1u);
}

/// tan(r) is r (1 + z P(z)) / (1 + z Q(z)), z = r², relative error 2^-28.6 before rounding; for odd n the negative
/// reciprocal is wanted.
//# tan_f32: types bits_f32 select fma_f32 reduce_f32
template <class F> KROTON_INLINE F tan_f32(F x) {
  auto [r, n] = reduce_f32(x);
  F z = r * r;
  F top = fma_f32(r * z, fma_f32(z, 0x1.18f93cp-10f, -0x1.c7f062p-4f), r);
  F bottom = fma_f32(fma_f32(z, 0x1.0563f8p-6f, -0x1.c7516ep-2f), z, 1.0f);
  auto odd = (bits_f32(n) & 1u) != 0u;
  F y = select(odd, -bottom, top) / select(odd, top, bottom);
  return x == 0.0f ? x : y;
}

/// Where the short way ends: multiples of π/2 are exact up to there.
//# circular_limit_f64: types
KROTON_INLINE f64 circular_limit_f64() {
#ifdef __FMA__
  return 0x1p40;
#else
  return 0x1p20;
#endif
}

//# less_quarters_f64: types fma_f64
template <class F> KROTON_INLINE F less_quarters_f64(F x, F n) {
#ifdef __FMA__
  return fma_f64(n, -0x1.c1cd129024e08p-107, fma_f64(n, -0x1.1a62633145c06p-54, fma_f64(n, -0x1.921fb54442d18p0, x)));
#else
  return ((x - n * 0x1.921fb544p0) - n * 0x1.0b4611a6p-34) - n * 0x1.3198a2e037073p-69;
#endif
}

/// 2x/π less a multiple of 4, in two parts, for |x| >= 2^20; NaN for infinities. Of the digits of 2/π, 26 a piece, the
/// pieces before the first give multiples of 4, and those after the eighth count no more.
//# quarter_turns_f64: types lanes_of bits_f64 from_bits_f64 rint_f64 nan_f64 double_double
template <class F> KROTON_INLINE double_double<F> quarter_turns_f64(F x) {
  double_double<F> turns;
  if constexpr (lanes_of<F> > 1) {
    for (int lane = 0; lane < lanes_of<F>; ++lane) {
      auto one = quarter_turns_f64((f64)x[lane]);
      turns.hi[lane] = one.hi;
      turns.lo[lane] = one.lo;
    }
  } else {
    const u32 pieces[46] = {
        0x28be60d, 0x2e4e441, 0x14a7f09, 0x357d1f5, 0x0d37703, 0x1b62959, 0x24f10e4, 0x041fe51, 0x18eaf7a, 0x3bc561b,
        0x1c91b8e, 0x2424dd2, 0x3801924, 0x2eea09d, 0x064873f, 0x21deb1c, 0x2c4a69c, 0x3ee8823, 0x17d4bae, 0x34484e9,
        0x271c09a, 0x345f7e4, 0x04e6475, 0x2398353, 0x0e7d272, 0x045f8bb, 0x37e4a0e, 0x31ff897, 0x3ff7816, 0x180fef2,
        0x3c462d6, 0x20a6d1f, 0x1b4d9fb, 0x0f27cb0, 0x26dd3d1, 0x23f669e, 0x17fa8b5, 0x3527bac, 0x1faf97c, 0x17b3d07,
        0x0e7de29, 0x1292ea6, 0x2fed7ec, 0x11f8d5d, 0x021580c, 0x3046fc7};
    i32 e = (i32)((bits_f64(x) >> 52) & 0x7ff) - 1023;
    i32 first = e < 80 ? 0 : (e - 80) / 26 + 1;
    F y = from_bits_f64(bits_f64(x) - ((u64)(26 * (first + 1)) << 52));
    F high = from_bits_f64(bits_f64(y) & 0xfffffffff8000000ul), low = y - high;
    F hi = 0.0, lo = 0.0;
    for (i32 i = 0; i < 16; ++i) {
      F t = (i & 1 ? low : high) * (f64)pieces[first + i / 2];
      t -= 4.0 * rint_f64(0.25 * t);
      F sum = hi + t;
      F added = sum - hi;
      lo += (hi - (sum - added)) + (t - added);
      hi = sum;
      high *= i & 1 ? 0x1p-26 : 1.0;
      low *= i & 1 ? 0x1p-26 : 1.0;
    }
    turns.hi = e < 1024 ? hi - 4.0 * rint_f64(0.25 * hi) : nan_f64();
    turns.lo = lo;
  }
  return turns;
}

//# reduce_f64: types any_lane select fma_f64 abs_f64 angle_parts circular_limit_f64 less_quarters_f64 quarter_turns_f64
template <class F> KROTON_INLINE angle_parts<F> reduce_f64(F x) {
  F shifted = fma_f64(x, 0x1.45f306dc9c883p-1, 0x1.8p52);
  F r = less_quarters_f64(x, shifted - 0x1.8p52);
  auto far = abs_f64(x) >= circular_limit_f64();
  if (any_lane(far)) {
    auto t = quarter_turns_f64(x);
    F n = t.hi + 0x1.8p52;
    F left = t.hi - (n - 0x1.8p52);
    F whole = left + t.lo;
    F rest = ((left - whole) + t.lo) * 0x1.921fb54442d18p0;
    r = select(far, fma_f64(whole, 0x1.921fb54442d18p0, fma_f64(whole, 0x1.1a62633145c07p-54, rest)), r);
    shifted = select(far, n, shifted);
  }
  return {r, shifted};
}

/// As sine_f32; relative errors 2^-57.8 and 2^-64.1 before rounding.
//# sine_f64: types select bits_f64 from_bits_f64 fma_f64
template <class F, class U> KROTON_INLINE F sine_f64(F r, U n) {
  F z = r * r;
  F s = 0x1.5d8358d1e5cbap-33;
  s = fma_f64(s, z, -0x1.ae5e2fa8fa472p-26);
  s = fma_f64(s, z, 0x1.71de3530f2d32p-19);
  s = fma_f64(s, z, -0x1.a01a019bbe1bap-13);
  s = fma_f64(s, z, 0x1.111111110f5c6p-7);
  s = fma_f64(s, z, -0x1.5555555555547p-3);
  F c = -0x1.8fa361b7e2c4bp-37;
  c = fma_f64(c, z, 0x1.1ee9d6ee65f61p-29);
  c = fma_f64(c, z, -0x1.27e4f7ec36c20p-22);
  c = fma_f64(c, z, 0x1.a01a019c8a559p-16);
  c = fma_f64(c, z, -0x1.6c16c16c14ffep-10);
  c = fma_f64(c, z, 0x1.555555555554bp-5);
  F even = r == 0.0 ? r : fma_f64(r * z, s, r);
  F y = select((n & 1ul) != 0ul, fma_f64(c, z * z, fma_f64(z, -0.5, 1.0)), even);
  return from_bits_f64(bits_f64(y) ^ ((n << 62) & 0x8000000000000000ul));
}

//# sin_f64: types bits_f64 reduce_f64 sine_f64
template <class F> KROTON_INLINE F sin_f64(F x) {
  auto [r, n] = reduce_f64(x);
  return sine_f64(r, bits_f64(n));
}

//# cos_f64: types bits_f64 reduce_f64 sine_f64
template <class F> KROTON_INLINE F cos_f64(F x) {
  auto [r, n] = reduce_f64(x);
  return sine_f64(r, bits_f64(n) + 1ul);
}

/// As tan_f32; relative error 2^-57.2 before rounding.
//# tan_f64: types bits_f64 select fma_f64 reduce_f64
template <class F> KROTON_INLINE F tan_f64(F x) {
  auto [r, n] = reduce_f64(x);
  F z = r * r;
  F p = -0x1.2b7960b3c7042p-16;
  p = fma_f64(p, z, 0x1.c0d0d5333fd32p-9);
  p = fma_f64(p, z, -0x1.11285d4fd4cfdp-3);
  F q = 0x1.0b2a66aa38436p-21;
  q = fma_f64(q, z, -0x1.46d71da76f0c0p-12);
  q = fma_f64(q, z, 0x1.a46efcb9de0e1p-6);
  q = fma_f64(q, z, -0x1.dde983fd3fbd4p-2);
  F top = fma_f64(r * z, p, r);
  F bottom = fma_f64(q, z, 1.0);
  auto odd = (bits_f64(n) & 1ul) != 0ul;
  F y = select(odd, -bottom, top) / select(odd, top, bottom);
  return x == 0.0 ? x : y;
}
