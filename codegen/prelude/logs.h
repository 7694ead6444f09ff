// Logarithms of what would cancel or be 0 · inf if it were computed first: log(1 - e^x), log(x/(1 - x)), x log(y).

//# log_parts_f32:
template <class F> struct log_parts_f32 { F e; F f; };

//# log_parts_f64:
template <class F> struct log_parts_f64 { F e; F f; };

/// q = 2^e (1 + f) with 1 + f in [2/3, 4/3), for finite q > 0.
//# log_split_f32: types log_parts_f32 convert bits_f32 from_bits_f32
template <class F> KROTON_INLINE log_parts_f32<F> log_split_f32(F q) {
  auto tiny = q < 0x1p-126f;
  auto offset = bits_f32(tiny ? q * 0x1p23f : q) - 0x3f2aaaabu;
  F e = convert<f32>(convert<i32>(offset) >> 23) - (tiny ? 23.0f : 0.0f);
  return {e, from_bits_f32((offset & 0x7fffffu) + 0x3f2aaaabu) - 1.0f};
}

/// The same of 1 + u, for -1 < u < 2^20, without losing digits of u.
//# log1p_split_f32: types convert bits_f32 from_bits_f32 fma_f32 log_parts_f32
template <class F> KROTON_INLINE log_parts_f32<F> log1p_split_f32(F u) {
  auto exponent = (bits_f32(1.0f + u) - 0x3f2aaaabu) & 0xff800000u;
  F scale = from_bits_f32(0x3f800000u - exponent);
  return {convert<f32>(convert<i32>(exponent) >> 23), fma_f32(u, scale, scale - 1.0f)};
}

//# log_split_f64: types log_parts_f64 bits_f64 from_bits_f64 exponent_f64
template <class F> KROTON_INLINE log_parts_f64<F> log_split_f64(F q) {
  auto tiny = q < 0x1p-1022;
  auto offset = bits_f64(tiny ? q * 0x1p54 : q) - 0x3fe6a09e667f3bcdul;
  F e = exponent_f64(offset) - (tiny ? 54.0 : 0.0);
  return {e, from_bits_f64((offset & 0xffffffffffffful) + 0x3fe6a09e667f3bcdul) - 1.0};
}

//# log1p_split_f64: types bits_f64 from_bits_f64 fma_f64 exponent_f64 log_parts_f64
template <class F> KROTON_INLINE log_parts_f64<F> log1p_split_f64(F u) {
  auto exponent = (bits_f64(1.0 + u) - 0x3fe6a09e667f3bcdul) & 0xfff0000000000000ul;
  F scale = from_bits_f64(0x3ff0000000000000ul - exponent);
  return {exponent_f64(exponent), fma_f64(u, scale, scale - 1.0)};
}

/// log(1 - e^x): log(w) with w = -expm1(x) above -ln(2), log(1 + u) with u = -e^x below (Mächler: Accurately computing
/// log(1 - exp(-|a|)), 2012). One logarithm serves both.
//# log1mexp_f32: types exp_f32 expm1_f32 log_split_f32 log1p_split_f32 log_sum_f32 infinity_f32 nan_f32
template <class F> KROTON_INLINE F log1mexp_f32(F x) {
  auto near = x > -0x1.62e43p-1f;
  F w = -expm1_f32(x);
  F u = -exp_f32(x < -0.5f ? x : -0.5f);
  auto [e, f] = log_split_f32(w);
  auto [e_far, f_far] = log1p_split_f32(u);
  F y = log_sum_f32(near ? e : e_far, near ? f : f_far);
  y = u == 0.0f ? u : y;
  y = x <= 0.0f ? y : nan_f32();
  return x == 0.0f ? -infinity_f32() : y;
}

//# log1mexp_f64: types exp_f64 expm1_f64 log_split_f64 log1p_split_f64 log_sum_f64 infinity_f64 nan_f64
template <class F> KROTON_INLINE F log1mexp_f64(F x) {
  auto near = x > -0x1.62e42fefa39efp-1;
  F w = -expm1_f64(x);
  F u = -exp_f64(x < -0.5 ? x : -0.5);
  auto [e, f] = log_split_f64(w);
  auto [e_far, f_far] = log1p_split_f64(u);
  F y = log_sum_f64(near ? e : e_far, near ? f : f_far);
  y = u == 0.0 ? u : y;
  y = x <= 0.0 ? y : nan_f64();
  return x == 0.0 ? -infinity_f64() : y;
}

/// log(x / (1 - x)); about x = 1/2, where it is 0, log(1 + (2x - 1) / (1 - x)), whose 2x - 1 is exact. One quotient and
/// one logarithm serve both.
//# logit_f32: types abs_f32 log_split_f32 log1p_split_f32 log_sum_f32 infinity_f32 nan_f32
template <class F> KROTON_INLINE F logit_f32(F x) {
  auto near = abs_f32(x - 0.5f) <= 0.2f;
  F q = (near ? 2.0f * x - 1.0f : x) / (1.0f - x);
  auto [e, f] = log_split_f32(q);
  auto [e_near, f_near] = log1p_split_f32(q);
  F y = log_sum_f32(near ? e_near : e, near ? f_near : f);
  y = x == 0.5f ? 0.0f : y;
  y = x == 1.0f ? infinity_f32() : y;
  y = x > 0.0f && x <= 1.0f ? y : nan_f32();
  return x == 0.0f ? -infinity_f32() : y;
}

//# logit_f64: types abs_f64 log_split_f64 log1p_split_f64 log_sum_f64 infinity_f64 nan_f64
template <class F> KROTON_INLINE F logit_f64(F x) {
  auto near = abs_f64(x - 0.5) <= 0.2;
  F q = (near ? 2.0 * x - 1.0 : x) / (1.0 - x);
  auto [e, f] = log_split_f64(q);
  auto [e_near, f_near] = log1p_split_f64(q);
  F y = log_sum_f64(near ? e_near : e, near ? f_near : f);
  y = x == 0.5 ? 0.0 : y;
  y = x == 1.0 ? infinity_f64() : y;
  y = x > 0.0 && x <= 1.0 ? y : nan_f64();
  return x == 0.0 ? -infinity_f64() : y;
}

/// x log(y), 0 for x = 0 and any y that is a number.
//# xlogy_f32: types log_f32
template <class A, class B> KROTON_INLINE auto xlogy_f32(A first, B second) {
  using F = decltype(first + second);
  F x = first, y = second;
  F product = x * log_f32(y);
  return x == 0.0f && y == y ? 0.0f : product;
}

//# xlogy_f64: types log_f64
template <class A, class B> KROTON_INLINE auto xlogy_f64(A first, B second) {
  using F = decltype(first + second);
  F x = first, y = second;
  F product = x * log_f64(y);
  return x == 0.0 && y == y ? 0.0 : product;
}

//# xlog1py_f32: types log1p_f32
template <class A, class B> KROTON_INLINE auto xlog1py_f32(A first, B second) {
  using F = decltype(first + second);
  F x = first, y = second;
  F product = x * log1p_f32(y);
  return x == 0.0f && y == y ? 0.0f : product;
}

//# xlog1py_f64: types log1p_f64
template <class A, class B> KROTON_INLINE auto xlog1py_f64(A first, B second) {
  using F = decltype(first + second);
  F x = first, y = second;
  F product = x * log1p_f64(y);
  return x == 0.0 && y == y ? 0.0 : product;
}
