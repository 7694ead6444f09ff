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

/// x · 2^n of n + 1.5·2^23, in two steps, so that 2^n itself may be beyond the range and results may be denormal.
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

/// e^-|x|. With n <= 0 in e^r 2^n, 2^(n + 25) is in the range for all results: what is denormal is rounded by the
/// second product.
//# exp_decay_f32: types abs_f32 fma_f32 exp_quotient_f32 exp_reduce_f32 scale_f32 power_of_two_f32
template <class F> KROTON_INLINE F exp_decay_f32(F x) {
  F a = abs_f32(x);
  F c = a > 104.0f ? 104.0f : a;
  auto [r, shifted] = exp_reduce_f32(-c);
  F y = fma_f32(fma_f32(exp_quotient_f32(r), r, 1.0f), r, 1.0f);
#ifdef __AVX512F__
  return scale_f32(y, shifted);
#else
  return y * power_of_two_f32(shifted, 25) * 0x1p-25f;
#endif
}

/// With z = e^-|x| and q = z/(1+z): z - z q for x < 0, otherwise 1 - q. Nothing overflows, small results keep their
/// digits, and what the sum and the quotient lost in rounding counts at most as much as z.
//# sigmoid_f32: types fma_f32 exp_decay_f32 bounded_quotient_f32
template <class F> KROTON_INLINE F sigmoid_f32(F x) {
  F z = exp_decay_f32(x);
  F whole = x < 0.0f ? z : 1.0f;
  return fma_f32(-whole, bounded_quotient_f32(z, 1.0f + z), whole);
}

/// tanh for |x| in quarters of octaves, those of 32 whose number is the three low bits of the exponent and the two high
/// ones of the significand: around a point c of each, the row of the c, a polynomial of |x| - c, whose coefficients are
/// the rows below, lowest order first. The entry before that of 1/8 stands for all that is less.
//# tanh_parts_f32: types
#ifdef __AVX512F__
alignas(64) static constexpr f32 tanh_parts_f32[7][32] = {
    {0x1.1f52p1f, 0x1.6062p1f, 0x1.a033p1f, 0x1.dfbep1f, 0x1.1fd18p2f, 0x1.606dp2f, 0x1.9f84p2f, 0x1.e0c8p2f,
     0x1.14c8p3f, 0, 0, 0, 0, 0, 0, 0, 0x1.1f728p-3f, 0x1.5f538p-3f, 0x1.a0118p-3f, 0x1.dfbc8p-3f, 0x1.2015p-2f,
     0x1.602d8p-2f, 0x1.9fbep-2f, 0x1.e029p-2f, 0x1.203a8p-1f, 0x1.5fcp-1f, 0x1.9f3d8p-1f, 0x1.e0b8p-1f, 0x1.1f51p0f,
     0x1.607p0f, 0x1.9fddp0f, 0x1.dfe98p0f},
    {0x1.f4a16ep-1f, 0x1.fbdb6p-1f, 0x1.fe77b2p-1f, 0x1.ff6e82p-1f, 0x1.ffdf78p-1f, 0x1.fffbaep-1f, 0x1.ffff66p-1f,
     0x1.ffffecp-1f, 0x1.fffffep-1f, 0, 0, 0, 0, 0, 0, 0, 0x1.1d9312p-3f, 0x1.5beb84p-3f, 0x1.9a6fe8p-3f,
     0x1.d7267p-3f, 0x1.18b706p-2f, 0x1.52eb4ap-2f, 0x1.8a4facp-2f, 0x1.bfcf94p-2f, 0x1.0533b8p-1f, 0x1.312eap-1f,
     0x1.571df4p-1f, 0x1.782cfcp-1f, 0x1.9de3bp-1f, 0x1.c2ab2cp-1f, 0x1.d9bceap-1f, 0x1.e87494p-1f},
    {0x1.67c81cp-5f, 0x1.081566p-6f, 0x1.87b7c4p-8f, 0x1.22d2aap-9f, 0x1.043932p-11f, 0x1.148214p-14f,
     0x1.340142p-17f, 0x1.4089acp-20f, 0x1.07c1c2p-23f, 0, 0, 0, 0, 0, 0, 1, 0x1.f60b7ap-1f, 0x1.f1393ep-1f,
     0x1.eb6faap-1f, 0x1.e4e70cp-1f, 0x1.d985e4p-1f, 0x1.c7e9bcp-1f, 0x1.b414d6p-1f, 0x1.9e152ep-1f, 0x1.7abecp-1f,
     0x1.4a17fp-1f, 0x1.1a0f5cp-1f, 0x1.d73bd4p-2f, 0x1.62d79p-2f, 0x1.cd438cp-3f, 0x1.26a8b8p-3f, 0x1.700d5ap-4f},
    {-0x1.5fc85ep-5f, -0x1.05ee78p-6f, -0x1.8684c2p-8f, -0x1.227aa8p-9f, -0x1.03d63ap-11f, -0x1.14252cp-14f,
     -0x1.33a5cep-17f, -0x1.4831bcp-20f, -0x1.525298p-23f, 0, 0, 0, 0, 0, 0, 0x1.4ed324p-22f, -0x1.180564p-3f,
     -0x1.51e142p-3f, -0x1.89f3fcp-3f, -0x1.be36fap-3f, -0x1.039e6cp-2f, -0x1.2dcad8p-2f, -0x1.4fd7cp-2f,
     -0x1.6a2b56p-2f, -0x1.8270eep-2f, -0x1.8982b2p-2f, -0x1.7a0b9p-2f, -0x1.5a394ep-2f, -0x1.1ed93p-2f,
     -0x1.96032ep-3f, -0x1.10a3cep-3f, -0x1.5f2096p-4f},
    {0x1.c0226ap-6f, 0x1.5790a2p-7f, 0x1.02c708p-8f, 0x1.82769ap-10f, 0x1.5a5916p-12f, 0x1.6fe6cp-15f,
     0x1.9a6f24p-18f, 0x1.a95848p-21f, 0x1.4af86cp-24f, 0, 0, 0, 0, 0, 0, -0x1.555b2cp-2f, -0x1.3b5306p-2f,
     -0x1.2f0474p-2f, -0x1.1fbca2p-2f, -0x1.0fc934p-2f, -0x1.e90552p-3f, -0x1.9859bap-3f, -0x1.42f8d2p-3f,
     -0x1.d6a44cp-4f, -0x1.bac6cp-5f, 0x1.cf05b2p-7f, 0x1.0542a2p-4f, 0x1.853116p-4f, 0x1.c66336p-4f, 0x1.97421cp-4f,
     0x1.341708p-4f, 0x1.a898ep-5f},
    {-0x1.994ed6p-7f, -0x1.4f77fep-8f, -0x1.0273cep-9f, -0x1.851b74p-11f, -0x1.6aa23p-13f, -0x1.8205bp-16f,
     -0x1.adb84ep-19f, -0x1.436b34p-22f, 0x1.7634ccp-25f, 0, 0, 0, 0, 0, 0, 0x1.ef25bep-12f, 0x1.631ec4p-4f,
     0x1.b5f1p-4f, 0x1.f3a59p-4f, 0x1.126d16p-3f, 0x1.327782p-3f, 0x1.506b08p-3f, 0x1.5ae4ccp-3f, 0x1.57fc5p-3f,
     0x1.39b3fcp-3f, 0x1.ea3b28p-4f, 0x1.4904fp-4f, 0x1.5fa18ap-5f, 0x1.0c8f68p-8f, -0x1.5b4558p-6f, -0x1.9bc808p-6f,
     -0x1.55c10ep-6f},
    {0x1.04a19p-8f, 0x1.f645b8p-10f, 0x1.945feap-11f, 0x1.331acep-12f, 0x1.1fa93p-14f, 0x1.38af56p-17f,
     0x1.5294fp-20f, 0x1.98cbcp-23f, 0x1.51cfd6p-25f, 0, 0, 0, 0, 0, 0, 0x1.0a37a2p-3f, 0x1.26ae74p-1f,
     0x1.a0813ep-1f, -0x1.2bfd7cp0f, -0x1.a9fb7cp-2f, 0x1.dd7d78p-5f, 0x1.03f0fp-3f, 0x1.2a5f9p-4f, -0x1.ba1098p-6f,
     -0x1.6812ccp-5f, -0x1.d65cf8p-5f, -0x1.068fdcp-4f, -0x1.b11ee2p-5f, -0x1.06f8cap-5f, -0x1.3a582ap-7f,
     0x1.71395p-10f, 0x1.2c9fa2p-8f},
};
#endif

/// Relative error below 2^-26.1 before rounding. With AVX-512 a table costs less than an exponential and a quotient;
/// without it, |x| < 0.55 takes x + x³ P(x²), with an error of 2^-29.8, and the others take 1 - 2/(e^2|x| + 1). There
/// 2|x| is n ln(2) + 2r, with a ln(2) of one part: its error counts less than e^-2|x|. `shifted` is n + 127 + 1.5·2^23,
/// whose low bits are the exponent field of 2^n.
//# tanh_f32: types abs_f32 fma_f32 copysign_f32 bits_f32 from_bits_f32 bounded_reciprocal_f32 looked_up tanh_parts_f32
template <class F> KROTON_INLINE F tanh_f32(F x) {
  F a = abs_f32(x);
#ifdef __AVX512F__
  F c = a > 9.25f ? 9.25f : a;
  auto part = bits_f32(c < 0x1.cp-4f ? 0x1.cp-4f : c) >> 21;
  F r = c - looked_up(tanh_parts_f32[0], part);
  F p = looked_up(tanh_parts_f32[6], part);
  p = fma_f32(p, r, looked_up(tanh_parts_f32[5], part));
  p = fma_f32(p, r, looked_up(tanh_parts_f32[4], part));
  p = fma_f32(p, r, looked_up(tanh_parts_f32[3], part));
  p = fma_f32(p, r, looked_up(tanh_parts_f32[2], part));
  return copysign_f32(fma_f32(p, r, looked_up(tanh_parts_f32[1], part)), x);
#else
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
  F d = fma_f32(from_bits_f32(bits_f32(shifted) << 23), e, 1.0f);
  F large = fma_f32(-2.0f, bounded_reciprocal_f32(d), 1.0f);
  F z = c * c;
  F p = -0x1.9c97ap-8f;
  p = fma_f32(p, z, 0x1.5982c8p-6f);
  p = fma_f32(p, z, -0x1.b932p-5f);
  p = fma_f32(p, z, 0x1.110d6ap-3f);
  p = fma_f32(p, z, -0x1.55554cp-2f);
  F small = fma_f32(p * z, c, c);
  return copysign_f32(a < 0.55f ? small : large, x);
#endif
}

/// 1 - tanh(x)^2: up to |x| = 2 by that difference, beyond by 4z/(1 + z)^2 with z = e^-2|x|, which is only computed
/// where a lane asks for it.
//# tanh_slope_f32: types any_lane select abs_f32 fma_f32 exp_decay_f32 tanh_f32
template <class F> KROTON_INLINE F tanh_slope_f32(F x) {
  F t = tanh_f32(x);
  F slope = fma_f32(-t, t, 1.0f);
  auto is_far = abs_f32(x) > 2.0f;
  if (any_lane(is_far)) {
    F z = exp_decay_f32(2.0f * x);
    slope = select(is_far, 4.0f * z / ((1.0f + z) * (1.0f + z)), slope);
  }
  return slope;
}
