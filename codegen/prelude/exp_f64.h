// f64: exp, expm1, sigmoid, tanh. Coefficients from minimax.py, which also prints their errors.

/// (e^r - 1 - r) / r² for |r| <= ln(2)/2; r² times the error is below 2^-61 of e^r - 1. The small terms are added up
/// by even and odd powers, in half the time.
//# exp_quotient_f64: types fma_f64
template <class F> KROTON_INLINE F exp_quotient_f64(F r) {
  F v = r * r;
  F even = 0x1.1f3e4b100ff7ep-29;
  even = fma_f64(even, v, 0x1.27e4fb572c602p-22);
  even = fma_f64(even, v, 0x1.a01a0199654a4p-16);
  even = fma_f64(even, v, 0x1.6c16c16c186dep-10);
  even = fma_f64(even, v, 0x1.5555555555552p-5);
  F odd = 0x1.af5f367e9186cp-26;
  odd = fma_f64(odd, v, 0x1.71ddf80ac2bf6p-19);
  odd = fma_f64(odd, v, 0x1.a01a01b004d21p-13);
  odd = fma_f64(odd, v, 0x1.111111110f653p-7);
  F q = fma_f64(odd, r, even);
  q = fma_f64(q, r, 0x1.5555555555559p-3);
  return fma_f64(q, r, 0.5);
}

/// e^r - 1 for |r| <= ln(2)/2.
//# exp_tail_f64: types fma_f64 exp_quotient_f64
template <class F> KROTON_INLINE F exp_tail_f64(F r) { return fma_f64(exp_quotient_f64(r) * r, r, r); }

/// x = n ln(2) + r with |r| <= ln(2)/2, for |x| < 2^20; `shifted` is n + 1.5·2^52, whose low bits are those of the
/// integer n. The high part of ln(2) has 32 bits: n times it is exact without fma.
//# exp_reduce_f64: types fma_f64
template <class F> struct exp_reduced_f64 { F r; F shifted; };
template <class F> KROTON_INLINE exp_reduced_f64<F> exp_reduce_f64(F x) {
  F shifted = fma_f64(x, 0x1.71547652b82fep0, 0x1.8p52);
  F n = shifted - 0x1.8p52;
  F r = fma_f64(n, -0x1.62e42feep-1, x);
  return {fma_f64(n, -0x1.a39ef35793c76p-33, r), shifted};
}

/// 2^(n + more) of n + 1.5·2^52, for -1023 < n + more < 1024.
//# power_of_two_f64: types bits_f64 from_bits_f64
template <class F> KROTON_INLINE F power_of_two_f64(F shifted, i32 more = 0) {
  return from_bits_f64((bits_f64(shifted) << 52) + ((u64)(1023 + more) << 52));
}

/// x · 2^n of n + 1.5·2^52, in two steps, so that 2^n itself may be beyond the range and results may be denormal.
/// AVX-512 has an instruction for it, which takes n as a float where it is asked for, and which LLVM before 22 replaces
/// by a library call where it is not. Shifts without sign, since AVX2 has no other for 64 bits.
//# scale_f64: types lanes_of convert bits_f64 from_bits_f64
template <class F> KROTON_INLINE F scale_f64(F x, F shifted) {
#ifdef __AVX512F__
  if constexpr (lanes_of<F> == 8) {
    return __builtin_ia32_scalefpd512_mask(x, shifted - 0x1.8p52, x, (u8)-1, 4);
  } else if constexpr (lanes_of<F> > 8) {
    x.lo = scale_f64(x.lo, shifted.lo);
    x.hi = scale_f64(x.hi, shifted.hi);
    return x;
  }
#endif
  auto n = bits_f64(shifted) - 0x4338000000000000ul;
#if defined(__AVX512F__) && __clang_major__ >= 22
  return __builtin_elementwise_ldexp(x, convert<i32>(n));
#else
  auto half = ((n + 2048) >> 1) - 1024;
  F first = from_bits_f64((half + 1023) << 52);
  F second = from_bits_f64((n - half + 1023) << 52);
  return x * first * second;
#endif
}

/// e^x for -746 <= x <= 710.
//# exp_within_f64: types fma_f64 exp_quotient_f64 exp_reduce_f64 scale_f64
template <class F> KROTON_INLINE F exp_within_f64(F x) {
  auto [r, shifted] = exp_reduce_f64(x);
  return scale_f64(fma_f64(fma_f64(exp_quotient_f64(r), r, 1.0), r, 1.0), shifted);
}

//# exp_f64: types exp_within_f64
template <class F> KROTON_INLINE F exp_f64(F x) {
  F c = x < -746.0 ? -746.0 : x;
  return exp_within_f64(c > 710.0 ? 710.0 : c);
}

/// 2^n tail + (2^n - 1), with n lowered by one and the sum doubled so that 2^n cannot overflow;
/// halving would cost a denormal its last digit, and zero its sign.
//# expm1_f64: types fma_f64 abs_f64 exp_reduce_f64 exp_tail_f64 power_of_two_f64
template <class F> KROTON_INLINE F expm1_f64(F x) {
  F c = x < -40.0 ? -40.0 : x;
  c = c > 710.0 ? 710.0 : c;
  auto [r, shifted] = exp_reduce_f64(c);
  F half = power_of_two_f64(shifted, -1);
  F y = 2.0 * fma_f64(half, exp_tail_f64(r), half - 0.5);
  return abs_f64(x) < 0x1p-60 ? x : y;
}

/// e^-|x|.
//# exp_decay_f64: types abs_f64 exp_within_f64
template <class F> KROTON_INLINE F exp_decay_f64(F x) {
  F c = -abs_f64(x);
  return exp_within_f64(c < -746.0 ? -746.0 : c);
}

/// With z = e^-|x| and q = z/(1+z): z - z q for x < 0, otherwise 1 - q. Nothing overflows, small results keep their
/// digits, and what the sum and the quotient lost in rounding counts at most as much as z.
//# sigmoid_f64: types fma_f64 exp_decay_f64
template <class F> KROTON_INLINE F sigmoid_f64(F x) {
  F z = exp_decay_f64(x);
  F whole = x < 0.0 ? z : 1.0;
  return fma_f64(-whole, z / (1.0 + z), whole);
}

/// |x| < 0.55: x + x³ P(x²)/Q(x²), relative error 2^-57.7 before rounding; otherwise 1 - 2/(e^2|x| + 1). There 2|x| is
/// n ln(2) + 2r, with a ln(2) of one part: its error counts less than e^-2|x|. `shifted` is n + 1023 + 1.5·2^52, whose
/// low bits are the exponent field of 2^n. One division serves both.
//# tanh_f64: types abs_f64 fma_f64 copysign_f64 bits_f64 from_bits_f64 exp_quotient_f64
template <class F> KROTON_INLINE F tanh_f64(F x) {
  F a = abs_f64(x);
  F c = a > 20.0 ? 20.0 : a;
  F shifted = fma_f64(c, 0x1.71547652b82fep1, 0x1.80000000003ffp52);
  F r = 2.0 * fma_f64(shifted - 0x1.80000000003ffp52, -0x1.62e42fefa39efp-2, c);
  F e = fma_f64(fma_f64(exp_quotient_f64(r), r, 1.0), r, 1.0);
  F large = fma_f64(from_bits_f64(bits_f64(shifted) << 52), e, 1.0);
  F z = c * c;
  F p = -0x1.a20035ef23742p-13;
  p = fma_f64(p, z, -0x1.4fe779417ca4cp-6);
  p = fma_f64(p, z, -0x1.5555555555555p-2);
  F q = 0x1.b1729f0576ce3p-13;
  q = fma_f64(q, z, 0x1.7dac9f72fde20p-6);
  q = fma_f64(q, z, 0x1.d8950055e0f76p-2);
  q = fma_f64(q, z, 1.0);
  auto small = a < 0.55;
  F quotient = (small ? p * z * c : -2.0) / (small ? q : large);
  return copysign_f64((small ? c : 1.0) + quotient, x);
}

/// 1 - tanh(x)^2: up to |x| = 2 by that difference, beyond by 4z/(1 + z)^2 with z = e^-2|x|, which is only computed
/// where a lane asks for it.
//# tanh_slope_f64: types any_lane select abs_f64 fma_f64 exp_decay_f64 tanh_f64
template <class F> KROTON_INLINE F tanh_slope_f64(F x) {
  F t = tanh_f64(x);
  F slope = fma_f64(-t, t, 1.0);
  auto is_far = abs_f64(x) > 2.0;
  if (any_lane(is_far)) {
    F z = exp_decay_f64(2.0 * x);
    slope = select(is_far, 4.0 * z / ((1.0 + z) * (1.0 + z)), slope);
  }
  return slope;
}
