// Integer division, remainder and power, as Python and NumPy define them.

/// ⌊a / b⌋; x / 0 is 0, and the smallest value over -1 wraps to itself. Up to 32 bits through f64, which is exact
/// here (a quotient is at least 1/b away from the next integer) and, unlike integer division, has vector forms.
//# floor_div_of: types
template <class T> KROTON_INLINE T floor_div_of(T a, T b) {
  bool negate = T(-1) < T(0) && b == T(-1);
  T divisor = b == T(0) || negate ? T(1) : b;
  T quotient;
  if constexpr (sizeof(T) <= 4) {
    quotient = (T)__builtin_floor((f64)a / (f64)divisor);
  } else {
    quotient = a / divisor;
    quotient -= T(quotient * divisor != a && (a < T(0)) != (divisor < T(0)));
  }
  quotient = negate ? T(T(0) - u64(a)) : quotient;
  return b == T(0) ? T(0) : quotient;
}

/// a - b ⌊a / b⌋: the remainder with the sign of b; 0 when b is 0.
//# mod_of: types floor_div_of
template <class T> KROTON_INLINE T mod_of(T a, T b) {
  return b == T(0) ? T(0) : T(u64(a) - u64(b) * u64(floor_div_of<T>(a, b)));
}

/// a^b modulo 2^bits. A negative b gives the reciprocal rounded toward zero: 0, unless a is 1 or -1.
//# ipow_of: types
template <class T> KROTON_INLINE T ipow_of(T a, T b) {
  u64 result = 1;
  u64 square = u64(a);
  bool negative = b < T(0);
  bool unit = a == T(1) || (T(-1) < T(0) && a == T(-1));
  for (u64 rest = negative ? u64(b) & 1 : u64(b); rest != 0; rest >>= 1) {
    result *= rest & 1 ? square : 1;
    square *= square;
  }
  return negative && !unit ? T(0) : T(result);
}

//# floor_div_i8: types floor_div_of
KROTON_INLINE i8 floor_div_i8(i8 a, i8 b) { return floor_div_of<i8>(a, b); }

//# floor_div_i16: types floor_div_of
KROTON_INLINE i16 floor_div_i16(i16 a, i16 b) { return floor_div_of<i16>(a, b); }

//# floor_div_i32: types floor_div_of
KROTON_INLINE i32 floor_div_i32(i32 a, i32 b) { return floor_div_of<i32>(a, b); }

//# floor_div_i64: types floor_div_of
KROTON_INLINE i64 floor_div_i64(i64 a, i64 b) { return floor_div_of<i64>(a, b); }

//# floor_div_u8: types floor_div_of
KROTON_INLINE u8 floor_div_u8(u8 a, u8 b) { return floor_div_of<u8>(a, b); }

//# floor_div_u16: types floor_div_of
KROTON_INLINE u16 floor_div_u16(u16 a, u16 b) { return floor_div_of<u16>(a, b); }

//# floor_div_u32: types floor_div_of
KROTON_INLINE u32 floor_div_u32(u32 a, u32 b) { return floor_div_of<u32>(a, b); }

//# floor_div_u64: types floor_div_of
KROTON_INLINE u64 floor_div_u64(u64 a, u64 b) { return floor_div_of<u64>(a, b); }

//# mod_i8: types mod_of
KROTON_INLINE i8 mod_i8(i8 a, i8 b) { return mod_of<i8>(a, b); }

//# mod_i16: types mod_of
KROTON_INLINE i16 mod_i16(i16 a, i16 b) { return mod_of<i16>(a, b); }

//# mod_i32: types mod_of
KROTON_INLINE i32 mod_i32(i32 a, i32 b) { return mod_of<i32>(a, b); }

//# mod_i64: types mod_of
KROTON_INLINE i64 mod_i64(i64 a, i64 b) { return mod_of<i64>(a, b); }

//# mod_u8: types mod_of
KROTON_INLINE u8 mod_u8(u8 a, u8 b) { return mod_of<u8>(a, b); }

//# mod_u16: types mod_of
KROTON_INLINE u16 mod_u16(u16 a, u16 b) { return mod_of<u16>(a, b); }

//# mod_u32: types mod_of
KROTON_INLINE u32 mod_u32(u32 a, u32 b) { return mod_of<u32>(a, b); }

//# mod_u64: types mod_of
KROTON_INLINE u64 mod_u64(u64 a, u64 b) { return mod_of<u64>(a, b); }

//# ipow_i8: types ipow_of
KROTON_INLINE i8 ipow_i8(i8 a, i8 b) { return ipow_of<i8>(a, b); }

//# ipow_i16: types ipow_of
KROTON_INLINE i16 ipow_i16(i16 a, i16 b) { return ipow_of<i16>(a, b); }

//# ipow_i32: types ipow_of
KROTON_INLINE i32 ipow_i32(i32 a, i32 b) { return ipow_of<i32>(a, b); }

//# ipow_i64: types ipow_of
KROTON_INLINE i64 ipow_i64(i64 a, i64 b) { return ipow_of<i64>(a, b); }

//# ipow_u8: types ipow_of
KROTON_INLINE u8 ipow_u8(u8 a, u8 b) { return ipow_of<u8>(a, b); }

//# ipow_u16: types ipow_of
KROTON_INLINE u16 ipow_u16(u16 a, u16 b) { return ipow_of<u16>(a, b); }

//# ipow_u32: types ipow_of
KROTON_INLINE u32 ipow_u32(u32 a, u32 b) { return ipow_of<u32>(a, b); }

//# ipow_u64: types ipow_of
KROTON_INLINE u64 ipow_u64(u64 a, u64 b) { return ipow_of<u64>(a, b); }

