// Integer division, remainder and power, as Python and NumPy define them.

/// ⌊a / b⌋; x / 0 is 0, and the smallest value over -1 wraps to itself. Up to 32 bits through f64, which is exact
/// here (a quotient is at least 1/b away from the next integer) and, unlike integer division, has vector forms.
//# floor_div_of: types element_of convert mask_of select floor_f64
template <class I> KROTON_INLINE I floor_div_of(I a, I b) {
  using T = element_of<I>;
  auto none = mask_of(b == T(0));
  auto negate = mask_of(b == T(-1)) & (T(-1) < T(0));
  I divisor = select(none | negate, T(1), b);
  I quotient;
  if constexpr (sizeof(T) <= 4) {
    quotient = convert<T>(floor_f64(convert<f64>(a) / convert<f64>(divisor)));
  } else {
    quotient = a / divisor;
    auto rest = mask_of(quotient * divisor != a);
    quotient -= convert<T>(rest & (mask_of(a < T(0)) != mask_of(divisor < T(0))));
  }
  quotient = select(negate, convert<T>(-convert<u64>(a)), quotient);
  return select(none, T(0), quotient);
}

/// a - b ⌊a / b⌋: the remainder with the sign of b; 0 when b is 0.
//# mod_of: types element_of convert mask_of select floor_div_of
template <class I> KROTON_INLINE I mod_of(I a, I b) {
  using T = element_of<I>;
  auto whole = convert<u64>(b) * convert<u64>(floor_div_of(a, b));
  return select(mask_of(b == T(0)), T(0), convert<T>(convert<u64>(a) - whole));
}

/// a^b modulo 2^bits. A negative b gives the reciprocal rounded toward zero: 0, unless a is 1 or -1.
//# ipow_of: types lanes_of
template <class I> KROTON_INLINE I ipow_of(I a, I b) {
  if constexpr (lanes_of<I> > 1) {
    I power;
    for (int lane = 0; lane < lanes_of<I>; ++lane) power[lane] = ipow_of(a[lane], b[lane]);
    return power;
  } else {
    u64 result = 1;
    u64 square = u64(a);
    bool negative = b < I(0);
    bool unit = a == I(1) || (I(-1) < I(0) && a == I(-1));
    for (u64 rest = negative ? u64(b) & 1 : u64(b); rest != 0; rest >>= 1) {
      result *= rest & 1 ? square : 1;
      square *= square;
    }
    return negative && !unit ? I(0) : I(result);
  }
}

//# floor_div_i8: types common_of like floor_div_of
template <class A, class B> KROTON_INLINE auto floor_div_i8(A a, B b) {
  using I = common_of<like<A, i8>, like<B, i8>>;
  return floor_div_of<I>(a, b);
}

//# floor_div_i16: types common_of like floor_div_of
template <class A, class B> KROTON_INLINE auto floor_div_i16(A a, B b) {
  using I = common_of<like<A, i16>, like<B, i16>>;
  return floor_div_of<I>(a, b);
}

//# floor_div_i32: types common_of like floor_div_of
template <class A, class B> KROTON_INLINE auto floor_div_i32(A a, B b) {
  using I = common_of<like<A, i32>, like<B, i32>>;
  return floor_div_of<I>(a, b);
}

//# floor_div_i64: types common_of like floor_div_of
template <class A, class B> KROTON_INLINE auto floor_div_i64(A a, B b) {
  using I = common_of<like<A, i64>, like<B, i64>>;
  return floor_div_of<I>(a, b);
}

//# floor_div_u8: types common_of like floor_div_of
template <class A, class B> KROTON_INLINE auto floor_div_u8(A a, B b) {
  using I = common_of<like<A, u8>, like<B, u8>>;
  return floor_div_of<I>(a, b);
}

//# floor_div_u16: types common_of like floor_div_of
template <class A, class B> KROTON_INLINE auto floor_div_u16(A a, B b) {
  using I = common_of<like<A, u16>, like<B, u16>>;
  return floor_div_of<I>(a, b);
}

//# floor_div_u32: types common_of like floor_div_of
template <class A, class B> KROTON_INLINE auto floor_div_u32(A a, B b) {
  using I = common_of<like<A, u32>, like<B, u32>>;
  return floor_div_of<I>(a, b);
}

//# floor_div_u64: types common_of like floor_div_of
template <class A, class B> KROTON_INLINE auto floor_div_u64(A a, B b) {
  using I = common_of<like<A, u64>, like<B, u64>>;
  return floor_div_of<I>(a, b);
}

//# mod_i8: types common_of like mod_of
template <class A, class B> KROTON_INLINE auto mod_i8(A a, B b) {
  using I = common_of<like<A, i8>, like<B, i8>>;
  return mod_of<I>(a, b);
}

//# mod_i16: types common_of like mod_of
template <class A, class B> KROTON_INLINE auto mod_i16(A a, B b) {
  using I = common_of<like<A, i16>, like<B, i16>>;
  return mod_of<I>(a, b);
}

//# mod_i32: types common_of like mod_of
template <class A, class B> KROTON_INLINE auto mod_i32(A a, B b) {
  using I = common_of<like<A, i32>, like<B, i32>>;
  return mod_of<I>(a, b);
}

//# mod_i64: types common_of like mod_of
template <class A, class B> KROTON_INLINE auto mod_i64(A a, B b) {
  using I = common_of<like<A, i64>, like<B, i64>>;
  return mod_of<I>(a, b);
}

//# mod_u8: types common_of like mod_of
template <class A, class B> KROTON_INLINE auto mod_u8(A a, B b) {
  using I = common_of<like<A, u8>, like<B, u8>>;
  return mod_of<I>(a, b);
}

//# mod_u16: types common_of like mod_of
template <class A, class B> KROTON_INLINE auto mod_u16(A a, B b) {
  using I = common_of<like<A, u16>, like<B, u16>>;
  return mod_of<I>(a, b);
}

//# mod_u32: types common_of like mod_of
template <class A, class B> KROTON_INLINE auto mod_u32(A a, B b) {
  using I = common_of<like<A, u32>, like<B, u32>>;
  return mod_of<I>(a, b);
}

//# mod_u64: types common_of like mod_of
template <class A, class B> KROTON_INLINE auto mod_u64(A a, B b) {
  using I = common_of<like<A, u64>, like<B, u64>>;
  return mod_of<I>(a, b);
}

//# ipow_i8: types common_of like ipow_of
template <class A, class B> KROTON_INLINE auto ipow_i8(A a, B b) {
  using I = common_of<like<A, i8>, like<B, i8>>;
  return ipow_of<I>(a, b);
}

//# ipow_i16: types common_of like ipow_of
template <class A, class B> KROTON_INLINE auto ipow_i16(A a, B b) {
  using I = common_of<like<A, i16>, like<B, i16>>;
  return ipow_of<I>(a, b);
}

//# ipow_i32: types common_of like ipow_of
template <class A, class B> KROTON_INLINE auto ipow_i32(A a, B b) {
  using I = common_of<like<A, i32>, like<B, i32>>;
  return ipow_of<I>(a, b);
}

//# ipow_i64: types common_of like ipow_of
template <class A, class B> KROTON_INLINE auto ipow_i64(A a, B b) {
  using I = common_of<like<A, i64>, like<B, i64>>;
  return ipow_of<I>(a, b);
}

//# ipow_u8: types common_of like ipow_of
template <class A, class B> KROTON_INLINE auto ipow_u8(A a, B b) {
  using I = common_of<like<A, u8>, like<B, u8>>;
  return ipow_of<I>(a, b);
}

//# ipow_u16: types common_of like ipow_of
template <class A, class B> KROTON_INLINE auto ipow_u16(A a, B b) {
  using I = common_of<like<A, u16>, like<B, u16>>;
  return ipow_of<I>(a, b);
}

//# ipow_u32: types common_of like ipow_of
template <class A, class B> KROTON_INLINE auto ipow_u32(A a, B b) {
  using I = common_of<like<A, u32>, like<B, u32>>;
  return ipow_of<I>(a, b);
}

//# ipow_u64: types common_of like ipow_of
template <class A, class B> KROTON_INLINE auto ipow_u64(A a, B b) {
  using I = common_of<like<A, u64>, like<B, u64>>;
  return ipow_of<I>(a, b);
}
