// f32: exp, expm1, sigmoid, tanh. Coefficients from minimax.py, which also prints their errors.

/// (e^r - 1 - r) / r² for |r| <= ln(2)/2; r² times the error is below 2^-26.1 of e^r - 1.
//# exp_quotient_f32: types fma_f32
template <class F> KROTON_INLINE F exp_quotient_f32(F r) {
  F q = 0x1.6c8a7ep-10f;
  q = fma_f32(q, r, 0x1.122544p-7f);
  q = fma_f32(q, r, 0x1.55558cp-5f);
  q = fma_f32(q, r, 0x1.5554b4p-3f);
  return fma_f32(q, r, 0.5f);
}

/// e^r - 1 for |r| <= ln(2)/2.
//# exp_tail_f32: types fma_f32 exp_quotient_f32
template <class F> KROTON_INLINE F exp_tail_f32(F r) { return fma_f32(exp_quotient_f32(r) * r, r, r); }

/// x = n ln(2) + r with |r| <= ln(2)/2, for |x| < 2^15; `shifted` is n + 1.5·2^23, whose low bits are those of the
/// integer n. The high part of ln(2) has 15 bits: n times it is exact without fma.
//# exp_reduce_f32: types fma_f32
template <class F> struct exp_reduced_f32 { F r; F shifted; };
template <class F> KROTON_INLINE exp_reduced_f32<F> exp_reduce_f32(F x) {
  F shifted = fma_f32(x, 0x1.715476p0f, 0x1.8p23f);
  F n = shifted - 0x1.8p23f;
  F r = fma_f32(n, -0x1.62e4p-1f, x);
  return {fma_f32(n, -0x1.7f7d1cp-20f, r), shifted};
}

/// 2^(n + more) of n + 1.5·2^23, for -127 < n + more < 128.
//# power_of_two_f32: types bits_f32 from_bits_f32
template <class F> KROTON_INLINE F power_of_two_f32(F shifted, i32 more = 0) {
  return from_bits_f32((bits_f32(shifted) << 23) + ((u32)(127 + more) << 23));
}

/// x · 2^n of n + 1.5·2^23, in two steps, so that 2^n itself may lie beyond the range and results may be denormal.
/// AVX-512 has an instruction for it, which takes n as a float where it is asked for, and which LLVM before 22 replaces
/// by a library call where it is not.
//# scale_f32: types lanes_of convert bits_f32 from_bits_f32
template <class F> KROTON_INLINE F scale_f32(F x, F shifted) {
#ifdef __AVX512F__
  if constexpr (lanes_of<F> == 16) {
    return __builtin_ia32_scalefps512_mask(x, shifted - 0x1.8p23f, x, (u16)-1, 4);
  } else if constexpr (lanes_of<F> > 16) {
    x.lo = scale_f32(x.lo, shifted.lo);
    x.hi = scale_f32(x.hi, shifted.hi);
    return x;
  }
#endif
  auto n = convert<i32>(bits_f32(shifted) - 0x4b400000u);
#if defined(__AVX512F__) && __clang_major__ >= 22
  return __builtin_elementwise_ldexp(x, n);
#else
  auto half = convert<u32>(n >> 1);
  F first = from_bits_f32((half + 127u) << 23);
  F second = from_bits_f32((convert<u32>(n) - half + 127u) << 23);
  return x * first * second;
#endif
}

/// e^x for -104 <= x <= 89.
//# exp_within_f32: types fma_f32 exp_quotient_f32 exp_reduce_f32 scale_f32
template <class F> KROTON_INLINE F exp_within_f32(F x) {
  auto [r, shifted] = exp_reduce_f32(x);
  return scale_f32(fma_f32(fma_f32(exp_quotient_f32(r), r, 1.0f), r, 1.0f), shifted);
}

//# exp_f32: types exp_within_f32
template <class F> KROTON_INLINE F exp_f32(F x) {
  F c = x < -104.0f ? -104.0f : x;
  return exp_within_f32(c > 89.0f ? 89.0f : c);
}

/// 2^n tail + (2^n - 1), with n lowered by one and the sum doubled so that 2^n cannot overflow;
/// halving would cost a denormal its last digit, and zero its sign.
//# expm1_f32: types fma_f32 abs_f32 exp_reduce_f32 exp_tail_f32 power_of_two_f32
template <class F> KROTON_INLINE F expm1_f32(F x) {
  F c = x < -20.0f ? -20.0f : x;
  c = c > 89.0f ? 89.0f : c;
  auto [r, shifted] = exp_reduce_f32(c);
  F half = power_of_two_f32(shifted, -1);
  F y = 2.0f * fma_f32(half, exp_tail_f32(r), half - 0.5f);
  return abs_f32(x) < 0x1p-30f ? x : y;
}

/// e^-|x|.
//# exp_decay_f32: types abs_f32 exp_within_f32
template <class F> KROTON_INLINE F exp_decay_f32(F x) {
  F c = -abs_f32(x);
  return exp_within_f32(c < -104.0f ? -104.0f : c);
}

/// With z = e^-|x| and q = z/(1+z): z - z q for x < 0, otherwise 1 - q. Nothing overflows, small results keep their
/// digits, and what the sum and the quotient lost in rounding counts at most as much as z.
//# sigmoid_f32: types fma_f32 exp_decay_f32
template <class F> KROTON_INLINE F sigmoid_f32(F x) {
  F z = exp_decay_f32(x);
  F whole = x < 0.0f ? z : 1.0f;
  return fma_f32(-whole, z / (1.0f + z), whole);
}

/// |x| < 0.55: x + x³ P(x²), relative error 2^-29.8 before rounding; otherwise 1 - 2/(e^2|x| + 1). There 2|x| is
/// n ln(2) + 2r, with a ln(2) of one part: its error counts less than e^-2|x|. `shifted` is n + 127 + 1.5·2^23, whose
/// low bits are the exponent field of 2^n.
//# tanh_f32: types abs_f32 fma_f32 copysign_f32 bits_f32 from_bits_f32
template <class F> KROTON_INLINE F tanh_f32(F x) {
  F a = abs_f32(x);
  F c = a > 9.5f ? 9.5f : a;
  F shifted = fma_f32(c, 0x1.715476p1f, 0x1.8000fep23f);
  F r = fma_f32(shifted - 0x1.8000fep23f, -0x1.62e43p-2f, c);
  F e = 0x1.6c8a7ep-4f;
  e = fma_f32(e, r, 0x1.122544p-2f);
  e = fma_f32(e, r, 0x1.55558cp-1f);
  e = fma_f32(e, r, 0x1.5554b4p+0f);
  e = fma_f32(e, r, 2.0f);
  e = fma_f32(e, r, 2.0f);
  e = fma_f32(e, r, 1.0f);
  F large = 1.0f - 2.0f / fma_f32(from_bits_f32(bits_f32(shifted) << 23), e, 1.0f);
  F z = c * c;
  F p = -0x1.9c97ap-8f;
  p = fma_f32(p, z, 0x1.5982c8p-6f);
  p = fma_f32(p, z, -0x1.b932p-5f);
  p = fma_f32(p, z, 0x1.110d6ap-3f);
  p = fma_f32(p, z, -0x1.55554cp-2f);
  F small = fma_f32(p * z, c, c);
  return copysign_f32(a < 0.55f ? small : large, x);
}
