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

/// x = n ln(2) + r with |r| <= ln(2)/2, for |x| < 2^15. Adding 1.5·2^23 rounds to an integer and leaves it
/// in the low bits (`count`). The high part of ln(2) has 15 bits: n times it is exact without fma.
//# exp_reduce_f32: types like convert bits_f32 fma_f32
template <class F> struct exp_reduced_f32 { F r; like<F, i32> count; };
template <class F> KROTON_INLINE exp_reduced_f32<F> exp_reduce_f32(F x) {
  F shifted = fma_f32(x, 0x1.715476p0f, 0x1.8p23f);
  F n = shifted - 0x1.8p23f;
  F r = fma_f32(n, -0x1.62e4p-1f, x);
  r = fma_f32(n, -0x1.7f7d1cp-20f, r);
  return {r, convert<i32>(bits_f32(shifted) - 0x4b400000u)};
}

/// x · 2^n in two steps, so that 2^n itself may lie beyond the range and results may be denormal.
/// AVX-512 has an instruction for it, which LLVM before 22 replaces by a library call.
//# scale_f32: types like convert from_bits_f32
template <class F> KROTON_INLINE F scale_f32(F x, like<F, i32> n) {
#if defined(__AVX512F__) && __clang_major__ >= 22
  return __builtin_elementwise_ldexp(x, n);
#else
  auto half = convert<u32>(n >> 1);
  F first = from_bits_f32((half + 127u) << 23);
  F second = from_bits_f32((convert<u32>(n) - half + 127u) << 23);
  return x * first * second;
#endif
}

//# exp_f32: types exp_reduce_f32 exp_tail_f32 scale_f32
template <class F> KROTON_INLINE F exp_f32(F x) {
  F c = x < -104.0f ? -104.0f : x;
  c = c > 89.0f ? 89.0f : c;
  auto e = exp_reduce_f32(c);
  return scale_f32(1.0f + exp_tail_f32(e.r), e.count);
}

/// 2^n tail + (2^n - 1), with n lowered by one and the sum doubled so that 2^n cannot overflow;
/// halving would cost a denormal its last digit, and zero its sign.
//# expm1_f32: types convert from_bits_f32 fma_f32 abs_f32 exp_reduce_f32 exp_tail_f32
template <class F> KROTON_INLINE F expm1_f32(F x) {
  F c = x < -20.0f ? -20.0f : x;
  c = c > 89.0f ? 89.0f : c;
  auto e = exp_reduce_f32(c);
  F half = from_bits_f32((convert<u32>(e.count) + 126u) << 23);
  F y = 2.0f * fma_f32(half, exp_tail_f32(e.r), half - 0.5f);
  return abs_f32(x) < 0x1p-30f ? x : y;
}

/// e^-|x|, more exact than exp where its result goes through further roundings: what r and 1 + r
/// lose in rounding is added at the end.
//# exp_decay_f32: types convert abs_f32 bits_f32 fma_f32 exp_quotient_f32 scale_f32
template <class F> KROTON_INLINE F exp_decay_f32(F x) {
  F c = -abs_f32(x);
  c = c < -104.0f ? -104.0f : c;
  F shifted = fma_f32(c, 0x1.715476p0f, 0x1.8p23f);
  F n = shifted - 0x1.8p23f;
  F first = fma_f32(n, -0x1.62e4p-1f, c);
  F r = fma_f32(n, -0x1.7f7d1cp-20f, first);
  F r_lo = fma_f32(n, -0x1.7f7d1cp-20f, first - r);
  F sum = 1.0f + r;
  F sum_lo = ((1.0f - sum) + r) + r_lo;
  F p = sum + fma_f32(exp_quotient_f32(r) * r, r, sum_lo);
  return scale_f32(p, convert<i32>(bits_f32(shifted) - 0x4b400000u));
}

/// z/(1+z) or 1/(1+z) with z = e^-|x|: nothing overflows, and small results keep their digits. For x < 0
/// what 1+z lost in rounding is put back: the derivative of q = z/d to d is -q/d = -q (1 - q).
//# sigmoid_f32: types fma_f32 exp_decay_f32
template <class F> KROTON_INLINE F sigmoid_f32(F x) {
  F z = exp_decay_f32(x);
  F d = 1.0f + z;
  F q = (x < 0.0f ? z : 1.0f) / d;
  F lost = z - (d - 1.0f);
  return x < 0.0f ? fma_f32(q * lost, q - 1.0f, q) : q;
}

/// |x| < 0.55: x + x³ P(x²), relative error 2^-29.8 before rounding; otherwise 1 - 2/(e^2|x| + 1).
//# tanh_f32: types convert abs_f32 fma_f32 copysign_f32 from_bits_f32 exp_reduce_f32 exp_tail_f32
template <class F> KROTON_INLINE F tanh_f32(F x) {
  F a = abs_f32(x);
  F c = a > 9.5f ? 9.5f : a;
  auto e = exp_reduce_f32(c + c);
  F power = from_bits_f32((convert<u32>(e.count) + 127u) << 23);
  F large = 1.0f - 2.0f / (fma_f32(power, exp_tail_f32(e.r), power) + 1.0f);
  F z = c * c;
  F p = -0x1.9c97ap-8f;
  p = fma_f32(p, z, 0x1.5982c8p-6f);
  p = fma_f32(p, z, -0x1.b932p-5f);
  p = fma_f32(p, z, 0x1.110d6ap-3f);
  p = fma_f32(p, z, -0x1.55554cp-2f);
  F small = fma_f32(p * z, c, c);
  return copysign_f32(a < 0.55f ? small : large, x);
}
