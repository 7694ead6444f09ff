// pow, special values as C99 Annex F. Coefficients from minimax.py, which also prints their errors.

/// x = 2^e m with m in [√½, √2), for finite x > 0.
//# split_f64: types bits_f64 from_bits_f64 exponent_f64
template <class F> struct split_parts_f64 { F e; F m; };
template <class F> KROTON_INLINE split_parts_f64<F> split_f64(F x) {
  auto tiny = x < 0x1p-1022;
  auto offset = bits_f64(tiny ? x * 0x1p54 : x) - 0x3fe6a09e667f3bcdul;
  F e = exponent_f64(offset) - (tiny ? 54.0 : 0.0);
  return {e, from_bits_f64((offset & 0xffffffffffffful) + 0x3fe6a09e667f3bcdul)};
}

/// 2^(y log2 x) for finite x > 0 in f64 arithmetic: relative error below 2^-28 until rounded to f32.
//# pow_positive_f32: types like convert fma_f64 split_f64 bits_f64 from_bits_f64
template <class F> KROTON_INLINE like<F, f32> pow_positive_f32(F x, F y) {
  auto part = split_f64(x);
  F s = (part.m - 1.0) / (part.m + 1.0);
  F z = s * s;
  F p = 0x1.21b549b1b75dcp-2;
  p = fma_f64(p, z, 0x1.479508254e081p-2);
  p = fma_f64(p, z, 0x1.a61a30af6c846p-2);
  p = fma_f64(p, z, 0x1.2776c290da80dp-1);
  p = fma_f64(p, z, 0x1.ec709dc53e79bp-1);
  p = fma_f64(p, z, 0x1.71547652b8250p+1);
  F t = y * fma_f64(p, s, part.e);
  t = t < -200.0 ? -200.0 : t;
  t = t > 200.0 ? 200.0 : t;
  F shifted = t + 0x1.8p52;
  F r = t - (shifted - 0x1.8p52);
  F q = 0x1.41d1bdc93a544p-13;
  q = fma_f64(q, r, 0x1.5f4568e7f7475p-10);
  q = fma_f64(q, r, 0x1.3b2dbd77098a6p-7);
  q = fma_f64(q, r, 0x1.c6aed4bc7e705p-5);
  q = fma_f64(q, r, 0x1.ebfbdadb4912dp-3);
  q = fma_f64(q, r, 0x1.62e430c7ec129p-1);
  q = fma_f64(q, r, 0x1.0000000261f27p+0);
  return convert<f32>(q * from_bits_f64((bits_f64(shifted) - 0x4337fffffffffc01ul) << 52));
}

/// |y| <= 2^40 changes no result: the logarithm of any |x| != 1 is at least 2^-25.
//# pow_f32: types convert bits_f32 from_bits_f32 abs_f32 floor_f32 pow_positive_f32 infinity_f32 nan_f32
template <class A, class B> KROTON_INLINE auto pow_f32(A base, B exponent) {
  using F = decltype(base + exponent);
  F x = base, y = exponent;
  F a = abs_f32(x);
  F bounded = y > 0x1p40f ? 0x1p40f : y;
  bounded = bounded < -0x1p40f ? -0x1p40f : bounded;
  F p = pow_positive_f32(convert<f64>(a), convert<f64>(bounded));
  F edge = (a == 0.0f) != (y < 0.0f) ? 0.0f : infinity_f32();
  p = a == 0.0f || a == infinity_f32() ? edge : p;
  auto odd = floor_f32(y) == y && floor_f32(0.5f * y) != 0.5f * y;
  p = from_bits_f32(bits_f32(p) | (odd ? bits_f32(x) & 0x80000000u : 0u));
  p = x < 0.0f && a != infinity_f32() && floor_f32(y) != y ? nan_f32() : p;
  p = x != x || y != y ? nan_f32() : p;
  return y == 0.0f || x == 1.0f ? 1.0f : p;
}

/// An unevaluated sum: |lo| is at most half a unit in the last place of hi, or near it.
//# double_double:
template <class F> struct double_double { F hi; F lo; };

/// a · b exactly. Without fma by Dekker's splitting, for |a|, |b| < 2^500.
//# exact_product: types double_double fma_f64
template <class F> KROTON_INLINE double_double<F> exact_product(F a, F b) {
  F p = a * b;
#ifdef __FMA__
  return {p, fma_f64(a, b, -p)};
#else
  F a_scaled = a * 134217729.0;
  F b_scaled = b * 134217729.0;
  F a_hi = a_scaled - (a_scaled - a);
  F b_hi = b_scaled - (b_scaled - b);
  F a_lo = a - a_hi;
  F b_lo = b - b_hi;
  F rest = a_hi * b_hi - p;
  rest = rest + a_hi * b_lo;
  rest = rest + a_lo * b_hi;
  return {p, rest + a_lo * b_lo};
#endif
}

/// log(x) to about 2^-65 for finite x > 0: e ln(2) + s (2 + z (2/3 + z P(z))), s = (m - 1)/(m + 1), z = s².
/// All but z P(z) is carried in two parts; P has degree 7, z² P an error of 2^-73.5.
//# log_double_double: types fma_f64 split_f64 double_double exact_product
template <class F> KROTON_INLINE double_double<F> log_double_double(F x) {
  auto part = split_f64(x);
  F f = part.m - 1.0;
  F d = part.m + 1.0;
  F d_m = d - 1.0;
  F d_lo = (1.0 - (d - d_m)) + (part.m - d_m);
  F inverse = 1.0 / d;
  F s = f * inverse;
  double_double<F> back = exact_product(s, d);
  F s_lo = (((f - back.hi) - back.lo) - s * d_lo) * inverse;
  double_double<F> z = exact_product(s, s);
  z.lo = z.lo + 2.0 * s * s_lo;
  F p = 0x1.eacaf22b80588p-4;
  p = fma_f64(p, z.hi, 0x1.de3cda500ed8ep-4);
  p = fma_f64(p, z.hi, 0x1.112072977a4eep-3);
  p = fma_f64(p, z.hi, 0x1.3b1364b4fac18p-3);
  p = fma_f64(p, z.hi, 0x1.745d182997417p-3);
  p = fma_f64(p, z.hi, 0x1.c71c71c59627fp-3);
  p = fma_f64(p, z.hi, 0x1.2492492492f53p-2);
  p = fma_f64(p, z.hi, 0x1.9999999999996p-2);
  F tail = z.hi * p;
  F w = 0x1.5555555555555p-1 + tail;
  F w_lo = ((0x1.5555555555555p-1 - w) + tail) + 0x1.5555555555555p-55;
  double_double<F> v = exact_product(z.hi, w);
  v.lo = v.lo + (z.hi * w_lo + z.lo * w);
  F g = 2.0 + v.hi;
  F g_lo = ((2.0 - g) + v.hi) + v.lo;
  double_double<F> l = exact_product(s, g);
  l.lo = l.lo + (s * g_lo + s_lo * g);
  F whole = part.e * 0x1.62e42feep-1;
  F hi = whole + l.hi;
  F lo = ((whole - hi) + l.hi) + (l.lo + part.e * 0x1.a39ef35793c76p-33);
  return {hi, lo};
}

/// e^(hi + lo) with hi in the range of exp, lo small beside 1.
//# exp_double_double: types fma_f64 exp_quotient_f64 scale_f64
template <class F> KROTON_INLINE F exp_double_double(F hi, F lo) {
  F shifted = fma_f64(hi, 0x1.71547652b82fep0, 0x1.8p52);
  F n = shifted - 0x1.8p52;
  F first = fma_f64(n, -0x1.62e42feep-1, hi);
  F rest = fma_f64(n, -0x1.a39ef35793c76p-33, lo);
  F r = first + rest;
  F r_lo = (first - r) + rest;
  F small = fma_f64(r * r, exp_quotient_f64(r), fma_f64(r, r_lo, r_lo));
  F sum = 1.0 + r;
  F sum_lo = ((1.0 - sum) + r) + small;
  return scale_f64(sum + sum_lo, shifted);
}

/// |y| <= 2^65 changes no result: the logarithm of any |x| != 1 is at least 2^-53.
//# pow_f64: types bits_f64 from_bits_f64 abs_f64 floor_f64 fma_f64 double_double exact_product log_double_double exp_double_double infinity_f64 nan_f64
template <class A, class B> KROTON_INLINE auto pow_f64(A base, B exponent) {
  using F = decltype(base + exponent);
  F x = base, y = exponent;
  F a = abs_f64(x);
  F bounded = y > 0x1p65 ? 0x1p65 : y;
  bounded = bounded < -0x1p65 ? -0x1p65 : bounded;
  double_double<F> l = log_double_double(a);
  double_double<F> t = exact_product(bounded, l.hi);
  t.lo = fma_f64(bounded, l.lo, t.lo);
  auto inside = abs_f64(t.hi) < 746.0;
  F far = t.hi < 0.0 ? -746.0 : 746.0;
  F p = exp_double_double(inside ? t.hi : far, inside ? t.lo : 0.0);
  F edge = (a == 0.0) != (y < 0.0) ? 0.0 : infinity_f64();
  p = a == 0.0 || a == infinity_f64() ? edge : p;
  auto odd = floor_f64(y) == y && floor_f64(0.5 * y) != 0.5 * y;
  p = from_bits_f64(bits_f64(p) | (odd ? bits_f64(x) & 0x8000000000000000ul : 0ul));
  p = x < 0.0 && a != infinity_f64() && floor_f64(y) != y ? nan_f64() : p;
  p = x != x || y != y ? nan_f64() : p;
  return y == 0.0 || x == 1.0 ? 1.0 : p;
}
