// Quotients and remainders of floats, and the sums of reductions.

/// a / b rounded down, as Python's //. The division may round up to a whole number that the exact
/// quotient does not reach: the remainder tells, where the quotient is below 2^24 (f32) or 2^53 (f64).
//# floor_div_f32: types fma_f32 floor_f32 abs_f32 infinity_f32
template <class A, class B> KROTON_INLINE auto floor_div_f32(A x, B y) {
  using F = decltype(x + y);
  F a = x, b = y;
  F q = floor_f32(a / b);
  F r = fma_f32(-q, b, a);
  F below = r != 0.0f && (r < 0.0f) != (b < 0.0f) ? q - 1.0f : q;
  F whole = a != 0.0f && (a < 0.0f) != (b < 0.0f) ? -1.0f : q;
  return abs_f32(b) == infinity_f32() && abs_f32(a) < infinity_f32() ? whole : abs_f32(q) < 0x1p24f ? below : q;
}

//# floor_div_f64: types fma_f64 floor_f64 abs_f64 infinity_f64
template <class A, class B> KROTON_INLINE auto floor_div_f64(A x, B y) {
  using F = decltype(x + y);
  F a = x, b = y;
  F q = floor_f64(a / b);
  F r = fma_f64(-q, b, a);
  F below = r != 0.0 && (r < 0.0) != (b < 0.0) ? q - 1.0 : q;
  F whole = a != 0.0 && (a < 0.0) != (b < 0.0) ? -1.0 : q;
  return abs_f64(b) == infinity_f64() && abs_f64(a) < infinity_f64() ? whole : abs_f64(q) < 0x1p53 ? below : q;
}

/// The remainder with b's sign, as Python's %: a - b floor(a / b), where the quotient is below
/// 2^24 (f32) or 2^53 (f64); beyond that digits are lost. NaN for b = 0 and for infinite a.
//# mod_f32: types fma_f32 floor_f32 copysign_f32 abs_f32 infinity_f32 nan_f32
template <class A, class B> KROTON_INLINE auto mod_f32(A x, B y) {
  using F = decltype(x + y);
  F a = x, b = y;
  F r = fma_f32(-floor_f32(a / b), b, a);
  r = r != 0.0f && (r < 0.0f) != (b < 0.0f) ? r + b : r;
  r = r == 0.0f ? copysign_f32(0.0f, b) : r;
  F whole = a == 0.0f ? copysign_f32(0.0f, b) : (a < 0.0f) == (b < 0.0f) ? a : b;
  return abs_f32(b) == infinity_f32() && abs_f32(a) < infinity_f32() ? whole : b == 0.0f ? nan_f32() : r;
}

//# mod_f64: types fma_f64 floor_f64 copysign_f64 abs_f64 infinity_f64 nan_f64
template <class A, class B> KROTON_INLINE auto mod_f64(A x, B y) {
  using F = decltype(x + y);
  F a = x, b = y;
  F r = fma_f64(-floor_f64(a / b), b, a);
  r = r != 0.0 && (r < 0.0) != (b < 0.0) ? r + b : r;
  r = r == 0.0 ? copysign_f64(0.0, b) : r;
  F whole = a == 0.0 ? copysign_f64(0.0, b) : (a < 0.0) == (b < 0.0) ? a : b;
  return abs_f64(b) == infinity_f64() && abs_f64(a) < infinity_f64() ? whole : b == 0.0 ? nan_f64() : r;
}

/// Addition whose order the compiler may choose: what a reduction is folded with.
//# sum_f32: types
template <class A, class B> KROTON_INLINE auto sum_f32(A a, B b) {
#ifdef __clang__
#pragma clang fp reassociate(on)
#endif
  return a + b;
}

//# sum_f64: types
template <class A, class B> KROTON_INLINE auto sum_f64(A a, B b) {
#ifdef __clang__
#pragma clang fp reassociate(on)
#endif
  return a + b;
}
