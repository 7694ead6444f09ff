// Quotients and remainders of floats, and the sums of reductions.

/// a - q b, exactly, for a whole |q| <= 2^24 and a result that is a number of F.
//# less_multiple_f32: types convert fma_f32
template <class F> KROTON_INLINE F less_multiple_f32(F a, F q, F b) {
#ifdef __FMA__
  return fma_f32(-q, b, a);
#else
  return convert<f32>(convert<f64>(a) - convert<f64>(q) * convert<f64>(b));
#endif
}

/// Without fused multiply-add b is taken in two parts, whose products with q are exact.
//# less_multiple_f64: types bits_f64 from_bits_f64 fma_f64
template <class F> KROTON_INLINE F less_multiple_f64(F a, F q, F b) {
#ifdef __FMA__
  return fma_f64(-q, b, a);
#else
  F high = from_bits_f64(bits_f64(b) & 0xfffffffff8000000u);
  return (a - q * high) - q * (b - high);
#endif
}

/// Whole quotients below it are exact in one step.
//# whole_limit_f64: types
KROTON_INLINE f64 whole_limit_f64() {
#ifdef __FMA__
  return 0x1p50;
#else
  return 0x1p24;
#endif
}

/// What fmod gives: a - n b for the whole n nearest to a / b on the side of 0, exactly. Multiples of b by powers of
/// 2^24, the largest first, are taken from a until less than b is left.
//# remainder_f64: types select any_lane abs_f64 copysign_f64 floor_f64 infinity_f64 nan_f64 less_multiple_f64
template <class F> KROTON_INLINE F remainder_f64(F a, F b) {
  F divisor = abs_f64(b), multiple = divisor;
  F finite = select(abs_f64(a) < infinity_f64(), abs_f64(a), (F)nan_f64());
  F left = select(divisor > 0.0, finite, (F)nan_f64());
  while (any_lane(multiple * 0x1p24 <= left)) multiple = select(multiple * 0x1p24 <= left, multiple * 0x1p24, multiple);
  while (true) {
    left = less_multiple_f64(left, floor_f64(left / multiple), multiple);
    left = select(left < 0.0, left + multiple, left); // the quotient may have been rounded up to a whole number
    if (!any_lane(multiple > divisor)) break;
    multiple = select(multiple > divisor, multiple * 0x1p-24, multiple);
  }
  return copysign_f64(select(divisor == infinity_f64(), finite, left), a);
}

/// a / b rounded down, as Python's //: where the quotient is too large for its last digit to be exact, the whole number
/// that Python takes.
//# floor_div_f64: types select any_lane floor_f64 trunc_f64 abs_f64 copysign_f64 infinity_f64 less_multiple_f64 remainder_f64 whole_limit_f64
template <class A, class B> KROTON_INLINE auto floor_div_f64(A x, B y) {
  using F = decltype(x + y);
  F a = x, b = y;
  F q = trunc_f64(a / b);
  if (any_lane(!(abs_f64(q) < whole_limit_f64() && abs_f64(b) < infinity_f64()))) {
    F r = remainder_f64(a, b);
    F part = (a - r) / b;
    part = select(r != 0.0 && (r < 0.0) != (b < 0.0), part - 1.0, part);
    F whole = floor_f64(part);
    whole = select(part - whole > 0.5, whole + 1.0, whole);
    whole = select(part == 0.0, copysign_f64((F)0.0, a / b), whole);
    return select(b == 0.0, a / b, whole);
  }
  // The remainder has a's sign, or the other if the division rounded up to a whole number that the exact quotient
  // does not reach.
  F r = less_multiple_f64(a, q, b);
  return select(r != 0.0 && (r < 0.0) != (b < 0.0), q - 1.0, q);
}

/// The remainder with b's sign, as Python's %: NaN for b = 0 and for infinite a.
//# mod_f64: types select any_lane trunc_f64 abs_f64 copysign_f64 infinity_f64 less_multiple_f64 remainder_f64 whole_limit_f64
template <class A, class B> KROTON_INLINE auto mod_f64(A x, B y) {
  using F = decltype(x + y);
  F a = x, b = y;
  F q = trunc_f64(a / b);
  F r = less_multiple_f64(a, q, b);
  if (any_lane(!(abs_f64(q) < whole_limit_f64() && abs_f64(b) < infinity_f64()))) r = remainder_f64(a, b);
  r = select(r != 0.0 && (r < 0.0) != (b < 0.0), r + b, r);
  return select(r == 0.0, copysign_f64((F)0.0, b), r);
}

/// The same of f32; beyond quotients of 2^24 by those of f64.
//# floor_div_f32: types select any_lane convert trunc_f32 abs_f32 infinity_f32 less_multiple_f32 floor_div_f64
template <class A, class B> KROTON_INLINE auto floor_div_f32(A x, B y) {
  using F = decltype(x + y);
  F a = x, b = y;
  F q = trunc_f32(a / b);
  if (any_lane(!(abs_f32(q) < 0x1p24f && abs_f32(b) < infinity_f32())))
    return convert<f32>(floor_div_f64(convert<f64>(a), convert<f64>(b)));
  F r = less_multiple_f32(a, q, b);
  return select(r != 0.0f && (r < 0.0f) != (b < 0.0f), q - 1.0f, q);
}

//# mod_f32: types select any_lane convert trunc_f32 abs_f32 copysign_f32 infinity_f32 less_multiple_f32 mod_f64
template <class A, class B> KROTON_INLINE auto mod_f32(A x, B y) {
  using F = decltype(x + y);
  F a = x, b = y;
  F q = trunc_f32(a / b);
  if (any_lane(!(abs_f32(q) < 0x1p24f && abs_f32(b) < infinity_f32())))
    return convert<f32>(mod_f64(convert<f64>(a), convert<f64>(b)));
  F r = less_multiple_f32(a, q, b);
  r = select(r != 0.0f && (r < 0.0f) != (b < 0.0f), r + b, r);
  return select(r == 0.0f, copysign_f32((F)0.0f, b), r);
}

/// What C's fmod gives: the remainder of the quotient rounded toward 0, with a's sign. The quotient may have been rounded
/// up to a whole number that the exact one does not reach; then the remainder has the other sign.
//# fmod_f32: types select any_lane convert trunc_f32 abs_f32 copysign_f32 infinity_f32 less_multiple_f32 remainder_f64
template <class A, class B> KROTON_INLINE auto fmod_f32(A x, B y) {
  using F = decltype(x + y);
  F a = x, b = y;
  F q = trunc_f32(a / b);
  if (any_lane(!(abs_f32(q) < 0x1p24f && abs_f32(b) < infinity_f32())))
    return convert<f32>(remainder_f64(convert<f64>(a), convert<f64>(b)));
  F r = less_multiple_f32(a, q, b);
  r = select(r != 0.0f && (r < 0.0f) != (a < 0.0f), r + copysign_f32(b, a), r);
  return select(r == 0.0f, copysign_f32((F)0.0f, a), r);
}

//# fmod_f64: types select any_lane trunc_f64 abs_f64 copysign_f64 infinity_f64 less_multiple_f64 remainder_f64 whole_limit_f64
template <class A, class B> KROTON_INLINE auto fmod_f64(A x, B y) {
  using F = decltype(x + y);
  F a = x, b = y;
  F q = trunc_f64(a / b);
  F r = less_multiple_f64(a, q, b);
  if (any_lane(!(abs_f64(q) < whole_limit_f64() && abs_f64(b) < infinity_f64()))) return remainder_f64(a, b);
  r = select(r != 0.0 && (r < 0.0) != (a < 0.0), r + copysign_f64(b, a), r);
  return select(r == 0.0, copysign_f64((F)0.0, a), r);
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
