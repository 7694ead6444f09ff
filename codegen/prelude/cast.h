// Casts that C++ leaves undefined or to taste. All others are plain C++ casts.

/// True for everything but zero; a NaN is true.
//# to_bool: types
template <class T> KROTON_INLINE bool to_bool(T x) { return x != T(0); }

/// Toward zero, saturating; a NaN gives 0. `below` is the largest value of F under 2^bits of T.
//# saturate_of: types
template <class T, class F> KROTON_INLINE T saturate_of(F x, F low, F below, T least, T most) {
  F inside = x >= low ? x : low;
  inside = inside <= below ? inside : below;
  T y = (T)inside;
  y = x > below ? most : y;
  return x != x ? T(0) : x < low ? least : y;
}

//# to_i8: types saturate_of
KROTON_INLINE i8 to_i8(f32 x) {
  return saturate_of<i8, f32>(x, -0x1p7f, 127.0f, i8(-127 - 1), i8(127));
}
KROTON_INLINE i8 to_i8(f64 x) {
  return saturate_of<i8, f64>(x, -0x1p7, 127.0, i8(-127 - 1), i8(127));
}

//# to_i16: types saturate_of
KROTON_INLINE i16 to_i16(f32 x) {
  return saturate_of<i16, f32>(x, -0x1p15f, 32767.0f, i16(-32767 - 1), i16(32767));
}
KROTON_INLINE i16 to_i16(f64 x) {
  return saturate_of<i16, f64>(x, -0x1p15, 32767.0, i16(-32767 - 1), i16(32767));
}

//# to_i32: types saturate_of
KROTON_INLINE i32 to_i32(f32 x) {
  return saturate_of<i32, f32>(x, -0x1p31f, 0x1.fffffep30f, -2147483647 - 1, 2147483647);
}
KROTON_INLINE i32 to_i32(f64 x) {
  return saturate_of<i32, f64>(x, -0x1p31, 2147483647.0, -2147483647 - 1, 2147483647);
}

//# to_i64: types saturate_of
KROTON_INLINE i64 to_i64(f32 x) {
  return saturate_of<i64, f32>(x, -0x1p63f, 0x1.fffffep62f, -9223372036854775807l - 1, 9223372036854775807l);
}
KROTON_INLINE i64 to_i64(f64 x) {
  return saturate_of<i64, f64>(x, -0x1p63, 0x1.fffffffffffffp62, -9223372036854775807l - 1, 9223372036854775807l);
}

//# to_u8: types saturate_of
KROTON_INLINE u8 to_u8(f32 x) {
  return saturate_of<u8, f32>(x, 0.0f, 255.0f, u8(0), u8(255));
}
KROTON_INLINE u8 to_u8(f64 x) {
  return saturate_of<u8, f64>(x, 0.0, 255.0, u8(0), u8(255));
}

//# to_u16: types saturate_of
KROTON_INLINE u16 to_u16(f32 x) {
  return saturate_of<u16, f32>(x, 0.0f, 65535.0f, u16(0), u16(65535));
}
KROTON_INLINE u16 to_u16(f64 x) {
  return saturate_of<u16, f64>(x, 0.0, 65535.0, u16(0), u16(65535));
}

//# to_u32: types saturate_of
KROTON_INLINE u32 to_u32(f32 x) {
  return saturate_of<u32, f32>(x, 0.0f, 0x1.fffffep31f, 0u, 4294967295u);
}
KROTON_INLINE u32 to_u32(f64 x) {
  return saturate_of<u32, f64>(x, 0.0, 4294967295.0, 0u, 4294967295u);
}

//# to_u64: types saturate_of
KROTON_INLINE u64 to_u64(f32 x) {
  return saturate_of<u64, f32>(x, 0.0f, 0x1.fffffep63f, 0ul, 18446744073709551615ul);
}
KROTON_INLINE u64 to_u64(f64 x) {
  return saturate_of<u64, f64>(x, 0.0, 0x1.fffffffffffffp63, 0ul, 18446744073709551615ul);
}

