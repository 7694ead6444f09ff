// pow, special values as C99 Annex F. Coefficients from minimax.py, which also prints their errors.

/// x = 2^e m with m in [√½, √2), for finite x > 0.
//# split_f64: types bits_f64 from_bits_f64 exponent_f64
struct split_parts_f64 { f64 e; f64 m; };
KROTON_INLINE split_parts_f64 split_f64(f64 x) {
  bool tiny = x < 0x1p-1022;
  u64 offset = bits_f64(tiny ? x * 0x1p54 : x) - 0x3fe6a09e667f3bcdul;
  f64 e = exponent_f64(offset) - (tiny ? 54.0 : 0.0);
  return {e, from_bits_f64((offset & 0xffffffffffffful) + 0x3fe6a09e667f3bcdul)};
}

/// 2^(y log2 x) for finite x > 0 in f64 arithmetic: relative error below 2^-28 until rounded to f32.
//# pow_positive_f32: types fma_f64 split_f64 bits_f64 from_bits_f64
KROTON_INLINE f32 pow_positive_f32(f64 x, f64 y) {
  split_parts_f64 part = split_f64(x);
  f64 s = (part.m - 1.0) / (part.m + 1.0);
  f64 z = s * s;
  f64 p = 0x1.21b549b1b75dcp-2;
  p = fma_f64(p, z, 0x1.479508254e081p-2);
  p = fma_f64(p, z, 0x1.a61a30af6c846p-2);
  p = fma_f64(p, z, 0x1.2776c290da80dp-1);
  p = fma_f64(p, z, 0x1.ec709dc53e79bp-1);
  p = fma_f64(p, z, 0x1.71547652b8250p+1);
  f64 t = y * fma_f64(p, s, part.e);
  t = t < -200.0 ? -200.0 : t;
  t = t > 200.0 ? 200.0 : t;
  f64 shifted = t + 0x1.8p52;
  f64 r = t - (shifted - 0x1.8p52);
  f64 q = 0x1.41d1bdc93a544p-13;
  q = fma_f64(q, r, 0x1.5f4568e7f7475p-10);
  q = fma_f64(q, r, 0x1.3b2dbd77098a6p-7);
  q = fma_f64(q, r, 0x1.c6aed4bc7e705p-5);
  q = fma_f64(q, r, 0x1.ebfbdadb4912dp-3);
  q = fma_f64(q, r, 0x1.62e430c7ec129p-1);
  q = fma_f64(q, r, 0x1.0000000261f27p+0);
  return (f32)(q * from_bits_f64((bits_f64(shifted) - 0x4337fffffffffc01ul) << 52));
}

/// |y| <= 2^40 changes no result: the logarithm of any |x| != 1 is at least 2^-25.
//# pow_f32: types bits_f32 from_bits_f32 abs_f32 floor_f32 pow_positive_f32
KROTON_INLINE f32 pow_f32(f32 x, f32 y) {
  f32 a = abs_f32(x);
  f32 bounded = y > 0x1p40f ? 0x1p40f : y;
  bounded = bounded < -0x1p40f ? -0x1p40f : bounded;
  f32 p = pow_positive_f32(a, bounded);
  f32 edge = (a == 0.0f) != (y < 0.0f) ? 0.0f : __builtin_inff();
  p = a == 0.0f || a == __builtin_inff() ? edge : p;
  bool odd = floor_f32(y) == y && floor_f32(0.5f * y) != 0.5f * y;
  p = from_bits_f32(bits_f32(p) | (odd ? bits_f32(x) & 0x80000000u : 0u));
  p = x < 0.0f && a != __builtin_inff() && floor_f32(y) != y ? __builtin_nanf("") : p;
  p = x != x || y != y ? __builtin_nanf("") : p;
  return y == 0.0f || x == 1.0f ? 1.0f : p;
}

/// An unevaluated sum: |lo| is at most half a unit in the last place of hi, or near it.
//# double_double: types
struct double_double { f64 hi; f64 lo; };

/// a · b exactly. Without fma by Dekker's splitting, for |a|, |b| < 2^500.
//# exact_product: types double_double
KROTON_INLINE double_double exact_product(f64 a, f64 b) {
  f64 p = a * b;
#ifdef __FMA__
  return {p, __builtin_fma(a, b, -p)};
#else
  f64 a_scaled = a * 134217729.0;
  f64 b_scaled = b * 134217729.0;
  f64 a_hi = a_scaled - (a_scaled - a);
  f64 b_hi = b_scaled - (b_scaled - b);
  f64 a_lo = a - a_hi;
  f64 b_lo = b - b_hi;
  f64 rest = a_hi * b_hi - p;
  rest = rest + a_hi * b_lo;
  rest = rest + a_lo * b_hi;
  return {p, rest + a_lo * b_lo};
#endif
}

/// log(x) to about 2^-65 for finite x > 0: e ln(2) + s (2 + z (2/3 + z P(z))), s = (m - 1)/(m + 1), z = s².
/// All but z P(z) is carried in two parts; P has degree 7, z² P an error of 2^-73.5.
//# log_double_double: types fma_f64 split_f64 double_double exact_product
KROTON_INLINE double_double log_double_double(f64 x) {
  split_parts_f64 part = split_f64(x);
  f64 f = part.m - 1.0;
  f64 d = part.m + 1.0;
  f64 d_m = d - 1.0;
  f64 d_lo = (1.0 - (d - d_m)) + (part.m - d_m);
  f64 inverse = 1.0 / d;
  f64 s = f * inverse;
  double_double back = exact_product(s, d);
  f64 s_lo = (((f - back.hi) - back.lo) - s * d_lo) * inverse;
  double_double z = exact_product(s, s);
  z.lo = z.lo + 2.0 * s * s_lo;
  f64 p = 0x1.eacaf22b80588p-4;
  p = fma_f64(p, z.hi, 0x1.de3cda500ed8ep-4);
  p = fma_f64(p, z.hi, 0x1.112072977a4eep-3);
  p = fma_f64(p, z.hi, 0x1.3b1364b4fac18p-3);
  p = fma_f64(p, z.hi, 0x1.745d182997417p-3);
  p = fma_f64(p, z.hi, 0x1.c71c71c59627fp-3);
  p = fma_f64(p, z.hi, 0x1.2492492492f53p-2);
  p = fma_f64(p, z.hi, 0x1.9999999999996p-2);
  f64 tail = z.hi * p;
  f64 w = 0x1.5555555555555p-1 + tail;
  f64 w_lo = ((0x1.5555555555555p-1 - w) + tail) + 0x1.5555555555555p-55;
  double_double v = exact_product(z.hi, w);
  v.lo = v.lo + (z.hi * w_lo + z.lo * w);
  f64 g = 2.0 + v.hi;
  f64 g_lo = ((2.0 - g) + v.hi) + v.lo;
  double_double l = exact_product(s, g);
  l.lo = l.lo + (s * g_lo + s_lo * g);
  f64 whole = part.e * 0x1.62e42feep-1;
  f64 hi = whole + l.hi;
  f64 lo = ((whole - hi) + l.hi) + (l.lo + part.e * 0x1.a39ef35793c76p-33);
  return {hi, lo};
}

/// e^(hi + lo) with hi in the range of exp, lo small beside 1.
//# exp_double_double: types fma_f64 bits_f64 exp_quotient_f64 scale_f64
KROTON_INLINE f64 exp_double_double(f64 hi, f64 lo) {
  f64 shifted = fma_f64(hi, 0x1.71547652b82fep0, 0x1.8p52);
  f64 n = shifted - 0x1.8p52;
  f64 first = fma_f64(n, -0x1.62e42feep-1, hi);
  f64 rest = fma_f64(n, -0x1.a39ef35793c76p-33, lo);
  f64 r = first + rest;
  f64 r_lo = (first - r) + rest;
  f64 small = fma_f64(r * r, exp_quotient_f64(r), fma_f64(r, r_lo, r_lo));
  f64 sum = 1.0 + r;
  f64 sum_lo = ((1.0 - sum) + r) + small;
  return scale_f64(sum + sum_lo, bits_f64(shifted) - 0x4338000000000000ul);
}

/// |y| <= 2^65 changes no result: the logarithm of any |x| != 1 is at least 2^-53.
//# pow_f64: types bits_f64 from_bits_f64 abs_f64 floor_f64 fma_f64 double_double exact_product log_double_double exp_double_double
KROTON_INLINE f64 pow_f64(f64 x, f64 y) {
  f64 a = abs_f64(x);
  f64 bounded = y > 0x1p65 ? 0x1p65 : y;
  bounded = bounded < -0x1p65 ? -0x1p65 : bounded;
  double_double l = log_double_double(a);
  double_double t = exact_product(bounded, l.hi);
  t.lo = fma_f64(bounded, l.lo, t.lo);
  bool inside = abs_f64(t.hi) < 746.0;
  f64 far = t.hi < 0.0 ? -746.0 : 746.0;
  f64 p = exp_double_double(inside ? t.hi : far, inside ? t.lo : 0.0);
  f64 edge = (a == 0.0) != (y < 0.0) ? 0.0 : __builtin_inf();
  p = a == 0.0 || a == __builtin_inf() ? edge : p;
  bool odd = floor_f64(y) == y && floor_f64(0.5 * y) != 0.5 * y;
  p = from_bits_f64(bits_f64(p) | (odd ? bits_f64(x) & 0x8000000000000000ul : 0ul));
  p = x < 0.0 && a != __builtin_inf() && floor_f64(y) != y ? __builtin_nan("") : p;
  p = x != x || y != y ? __builtin_nan("") : p;
  return y == 0.0 || x == 1.0 ? 1.0 : p;
}
