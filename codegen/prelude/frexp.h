// A float as mantissa and exponent: x = m 2^e with |m| in [1/2, 1). Denormals are scaled into the normal range first;
// 0, infinities and NaN are their own mantissas, with exponent 0.

//# frexp_mantissa_f32: types bits_f32 from_bits_f32 infinity_f32 abs_f32
template <class F> KROTON_INLINE F frexp_mantissa_f32(F x) {
  auto tiny = abs_f32(x) < 0x1p-126f;
  F m = from_bits_f32((bits_f32(tiny ? x * 0x1p24f : x) & 0x807fffffu) | 0x3f000000u);
  return x == 0.0f || !(abs_f32(x) < infinity_f32()) ? x : m;
}

//# frexp_exponent_f32: types convert bits_f32 infinity_f32 abs_f32
template <class F> KROTON_INLINE F frexp_exponent_f32(F x) {
  auto tiny = abs_f32(x) < 0x1p-126f;
  auto field = (bits_f32(tiny ? x * 0x1p24f : x) >> 23) & 0xffu;
  F e = convert<f32>(convert<i32>(field)) - (tiny ? 150.0f : 126.0f);
  return x == 0.0f || !(abs_f32(x) < infinity_f32()) ? 0.0f : e;
}

//# frexp_mantissa_f64: types bits_f64 from_bits_f64 infinity_f64 abs_f64
template <class F> KROTON_INLINE F frexp_mantissa_f64(F x) {
  auto tiny = abs_f64(x) < 0x1p-1022;
  F m = from_bits_f64((bits_f64(tiny ? x * 0x1p54 : x) & 0x800ffffffffffffful) | 0x3fe0000000000000ul);
  return x == 0.0 || !(abs_f64(x) < infinity_f64()) ? x : m;
}

/// The field becomes the last digits of 2^52: AVX2 does not convert 64-bit integers.
//# frexp_exponent_f64: types bits_f64 from_bits_f64 infinity_f64 abs_f64
template <class F> KROTON_INLINE F frexp_exponent_f64(F x) {
  auto tiny = abs_f64(x) < 0x1p-1022;
  auto field = (bits_f64(tiny ? x * 0x1p54 : x) >> 52) & 0x7fful;
  F e = from_bits_f64(field | 0x4330000000000000ul) - (tiny ? 0x1p52 + 1076.0 : 0x1p52 + 1022.0);
  return x == 0.0 || !(abs_f64(x) < infinity_f64()) ? 0.0 : e;
}
