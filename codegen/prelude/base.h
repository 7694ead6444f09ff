// Types, bit patterns and the few operations whose spelling depends on the compiler.
//
// A line `//# name: dependency …` opens a fragment; embed.py cuts these files into a table, checks
// that the dependencies are exactly the fragments whose names a text uses, and drops lines that
// begin with `///`. No header is included and no library function is called: a kernel stands alone.

/// Inlined always: a call left standing would keep a loop from being vectorised, and the compiler's
/// patience ends below the size of pow or of Philox's ten rounds.
//# types:
#define KROTON_INLINE [[gnu::always_inline]] static inline
using i8 = signed char;
using i16 = short;
using i32 = int;
using i64 = long;
using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long;
using f32 = float;
using f64 = double;

//# bits_f32: types
KROTON_INLINE u32 bits_f32(f32 x) { return __builtin_bit_cast(u32, x); }

//# bits_f64: types
KROTON_INLINE u64 bits_f64(f64 x) { return __builtin_bit_cast(u64, x); }

//# from_bits_f32: types
KROTON_INLINE f32 from_bits_f32(u32 x) { return __builtin_bit_cast(f32, x); }

//# from_bits_f64: types
KROTON_INLINE f64 from_bits_f64(u64 x) { return __builtin_bit_cast(f64, x); }

/// a * b + c, rounded once where the machine can; never a call of the library's fma.
//# fma_f32: types
KROTON_INLINE f32 fma_f32(f32 a, f32 b, f32 c) {
#ifdef __FMA__
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

//# fma_f64: types
KROTON_INLINE f64 fma_f64(f64 a, f64 b, f64 c) {
#ifdef __FMA__
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}

//# abs_f32: types
KROTON_INLINE f32 abs_f32(f32 x) { return __builtin_fabsf(x); }

//# abs_f64: types
KROTON_INLINE f64 abs_f64(f64 x) { return __builtin_fabs(x); }

//# copysign_f32: types
KROTON_INLINE f32 copysign_f32(f32 x, f32 sign) { return __builtin_copysignf(x, sign); }

//# copysign_f64: types
KROTON_INLINE f64 copysign_f64(f64 x, f64 sign) { return __builtin_copysign(x, sign); }

//# floor_f32: types
KROTON_INLINE f32 floor_f32(f32 x) { return __builtin_floorf(x); }

//# floor_f64: types
KROTON_INLINE f64 floor_f64(f64 x) { return __builtin_floor(x); }

//# ceil_f32: types
KROTON_INLINE f32 ceil_f32(f32 x) { return __builtin_ceilf(x); }

//# ceil_f64: types
KROTON_INLINE f64 ceil_f64(f64 x) { return __builtin_ceil(x); }

//# trunc_f32: types
KROTON_INLINE f32 trunc_f32(f32 x) { return __builtin_truncf(x); }

//# trunc_f64: types
KROTON_INLINE f64 trunc_f64(f64 x) { return __builtin_trunc(x); }

/// To the nearest integer, ties to even.
//# rint_f32: types
KROTON_INLINE f32 rint_f32(f32 x) { return __builtin_rintf(x); }

//# rint_f64: types
KROTON_INLINE f64 rint_f64(f64 x) { return __builtin_rint(x); }

/// Clang turns __builtin_sqrt into a library call when it keeps errno; its elementwise form never.
//# sqrt_f32: types
KROTON_INLINE f32 sqrt_f32(f32 x) {
#ifdef __clang__
  return __builtin_elementwise_sqrt(x);
#else
  return __builtin_sqrtf(x);
#endif
}

//# sqrt_f64: types
KROTON_INLINE f64 sqrt_f64(f64 x) {
#ifdef __clang__
  return __builtin_elementwise_sqrt(x);
#else
  return __builtin_sqrt(x);
#endif
}

/// IEEE 754-2019 minimum and maximum: a NaN wins, and -0 < +0. Clang's builtin is also
/// recognised as a reduction by LLVM's vectoriser.
//# maximum_f32: types bits_f32 from_bits_f32
KROTON_INLINE f32 maximum_f32(f32 a, f32 b) {
#if defined(__clang__) && __has_builtin(__builtin_elementwise_maximum)
  return __builtin_elementwise_maximum(a, b);
#else
  f32 ordered = a == b ? from_bits_f32(bits_f32(a) & bits_f32(b)) : a > b ? a : b;
  return a != a ? a : ordered;
#endif
}

//# maximum_f64: types bits_f64 from_bits_f64
KROTON_INLINE f64 maximum_f64(f64 a, f64 b) {
#if defined(__clang__) && __has_builtin(__builtin_elementwise_maximum)
  return __builtin_elementwise_maximum(a, b);
#else
  f64 ordered = a == b ? from_bits_f64(bits_f64(a) & bits_f64(b)) : a > b ? a : b;
  return a != a ? a : ordered;
#endif
}

//# minimum_f32: types bits_f32 from_bits_f32
KROTON_INLINE f32 minimum_f32(f32 a, f32 b) {
#if defined(__clang__) && __has_builtin(__builtin_elementwise_minimum)
  return __builtin_elementwise_minimum(a, b);
#else
  f32 ordered = a == b ? from_bits_f32(bits_f32(a) | bits_f32(b)) : a < b ? a : b;
  return a != a ? a : ordered;
#endif
}

//# minimum_f64: types bits_f64 from_bits_f64
KROTON_INLINE f64 minimum_f64(f64 a, f64 b) {
#if defined(__clang__) && __has_builtin(__builtin_elementwise_minimum)
  return __builtin_elementwise_minimum(a, b);
#else
  f64 ordered = a == b ? from_bits_f64(bits_f64(a) | bits_f64(b)) : a < b ? a : b;
  return a != a ? a : ordered;
#endif
}

/// max(x, +0): a NaN stays, -0 becomes +0.
//# relu_f32: types
KROTON_INLINE f32 relu_f32(f32 x) { return x <= 0.0f ? 0.0f : x; }

//# relu_f64: types
KROTON_INLINE f64 relu_f64(f64 x) { return x <= 0.0 ? 0.0 : x; }

/// -1 or 1; zeros (with their sign) and NaN are returned as they are.
//# sign_f32: types
KROTON_INLINE f32 sign_f32(f32 x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }

//# sign_f64: types
KROTON_INLINE f64 sign_f64(f64 x) { return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x; }
