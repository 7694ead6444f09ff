// Powers of two and logarithms to the bases 2 and 10. Coefficients from minimax.py, which also prints their errors.

/// 2^n e^(r ln(2)) for the whole n nearest to x, x = n + r.
//# exp2_f32: types fma_f32 exp_quotient_f32 scale_f32
template <class F> KROTON_INLINE F exp2_f32(F x) {
  F c = x < -151.0f ? -151.0f : x;
  c = c > 129.0f ? 129.0f : c;
  F shifted = c + 0x1.8p23f;
  F r = (c - (shifted - 0x1.8p23f)) * 0x1.62e43p-1f;
  return scale_f32(fma_f32(fma_f32(exp_quotient_f32(r), r, 1.0f), r, 1.0f), shifted);
}

//# exp2_f64: types fma_f64 exp_quotient_f64 scale_f64
template <class F> KROTON_INLINE F exp2_f64(F x) {
  F c = x < -1076.0 ? -1076.0 : x;
  c = c > 1025.0 ? 1025.0 : c;
  F shifted = c + 0x1.8p52;
  F r = (c - (shifted - 0x1.8p52)) * 0x1.62e42fefa39efp-1;
  return scale_f64(fma_f64(fma_f64(exp_quotient_f64(r), r, 1.0), r, 1.0), shifted);
}

/// a + b + c, rounded hardly more than once, for |a| >= |b| or a = 0, and small c.
//# sum_of_three: types
template <class F> KROTON_INLINE F sum_of_three(F a, F b, F c) {
  F sum = a + b;
  return sum + (((a - sum) + b) + c);
}

/// y for finite positive x, else what a logarithm has there.
//# log_edges_f32: types infinity_f32 nan_f32
template <class F> KROTON_INLINE F log_edges_f32(F x, F y) {
  y = x == infinity_f32() ? x : y;
  y = x > 0.0f ? y : nan_f32();
  return x == 0.0f ? -infinity_f32() : y;
}

/// x = 2^e (1 + f) with 1 + f in [2/3, 4/3), for positive finite x.
//# split_f32: types convert bits_f32 from_bits_f32
template <class F> struct split_parts_f32 { F e; F f; };
template <class F> KROTON_INLINE split_parts_f32<F> split_f32(F x) {
  auto tiny = x < 0x1p-126f;
  auto offset = bits_f32(tiny ? x * 0x1p23f : x) - 0x3f2aaaabu;
  F e = convert<f32>(convert<i32>(offset) >> 23) - (tiny ? 23.0f : 0.0f);
  return {e, from_bits_f32((offset & 0x7fffffu) + 0x3f2aaaabu) - 1.0f};
}

/// log2(1 + f) is f + f P(f), relative error 2^-26.8 before rounding.
//# log2_f32: types fma_f32 split_f32 sum_of_three log_edges_f32
template <class F> KROTON_INLINE F log2_f32(F x) {
  auto [e, f] = split_f32(x);
  F p = -0x1.776294p-3f;
  p = fma_f32(p, f, 0x1.a1bc74p-3f);
  p = fma_f32(p, f, -0x1.69ad2cp-3f);
  p = fma_f32(p, f, 0x1.9ca67cp-3f);
  p = fma_f32(p, f, -0x1.ecae0cp-3f);
  p = fma_f32(p, f, 0x1.27ab14p-2f);
  p = fma_f32(p, f, -0x1.71547p-2f);
  p = fma_f32(p, f, 0x1.ec6fc4p-2f);
  p = fma_f32(p, f, -0x1.715476p-1f);
  p = fma_f32(p, f, 0x1.c551dap-2f);
  return log_edges_f32(x, sum_of_three(e, f, p * f));
}

/// log10(1 + f) is f/2 + f P(f), relative error 2^-27.1 before rounding; the high part of log10(2) has 15 bits.
//# log10_f32: types fma_f32 split_f32 sum_of_three log_edges_f32
template <class F> KROTON_INLINE F log10_f32(F x) {
  auto [e, f] = split_f32(x);
  F p = -0x1.cd6b26p-5f;
  p = fma_f32(p, f, 0x1.f88036p-5f);
  p = fma_f32(p, f, -0x1.b0b73ep-5f);
  p = fma_f32(p, f, 0x1.f09be4p-5f);
  p = fma_f32(p, f, -0x1.28c30ap-4f);
  p = fma_f32(p, f, 0x1.640680p-4f);
  p = fma_f32(p, f, -0x1.bcb662p-4f);
  p = fma_f32(p, f, 0x1.2879f6p-3f);
  p = fma_f32(p, f, -0x1.bcb7b2p-3f);
  p = fma_f32(p, f, -0x1.0d213ap-4f);
  return log_edges_f32(x, sum_of_three(e * 0x1.344p-2f, 0.5f * f, fma_f32(p, f, e * 0x1.3509f8p-18f)));
}

//# log_edges_f64: types infinity_f64 nan_f64
template <class F> KROTON_INLINE F log_edges_f64(F x, F y) {
  y = x == infinity_f64() ? x : y;
  y = x > 0.0 ? y : nan_f64();
  return x == 0.0 ? -infinity_f64() : y;
}

/// f - log(1 + f) for 1 + f in [√½, √2): as log_sum_f64.
//# log_rest_f64: types fma_f64
template <class F> KROTON_INLINE F log_rest_f64(F f) {
  F s = f / (2.0 + f);
  F z = s * s;
  F p = 0x1.2f0b6bca25b72p-3;
  p = fma_f64(p, z, 0x1.39a120874001bp-3);
  p = fma_f64(p, z, 0x1.746644fa406acp-3);
  p = fma_f64(p, z, 0x1.c71c51eae3b18p-3);
  p = fma_f64(p, z, 0x1.2492494218970p-2);
  p = fma_f64(p, z, 0x1.999999997fab1p-2);
  p = fma_f64(p, z, 0x1.5555555555593p-1);
  F square = 0.5 * f * f;
  return square - s * fma_f64(p, z, square);
}

/// log2(1 + f) is f + f (log2(e) - 1) - log2(e) (f - log(1 + f)).
//# log2_f64: types fma_f64 split_f64 sum_of_three log_edges_f64 log_rest_f64
template <class F> KROTON_INLINE F log2_f64(F x) {
  auto [e, m] = split_f64(x);
  F f = m - 1.0;
  F low = fma_f64(f, 0x1.c551d94ae0bf8p-2, log_rest_f64(f) * -0x1.71547652b82fep0);
  return log_edges_f64(x, sum_of_three(e, f, low));
}

/// log10(1 + f) likewise, from f/2; the high part of log10(2) has 42 bits.
//# log10_f64: types fma_f64 split_f64 sum_of_three log_edges_f64 log_rest_f64
template <class F> KROTON_INLINE F log10_f64(F x) {
  auto [e, m] = split_f64(x);
  F f = m - 1.0;
  F low = fma_f64(f, -0x1.0d213ab646bc7p-4, log_rest_f64(f) * -0x1.bcb7b1526e50ep-2);
  return log_edges_f64(x, sum_of_three(e * 0x1.34413509f78p-2, 0.5 * f, fma_f64(e, 0x1.fef311f12b358p-46, low)));
}
