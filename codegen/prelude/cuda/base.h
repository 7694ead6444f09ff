// CUDA's spelling of base.h: the same names for single numbers, so that the functions made of them give the bits
// that they give on a CPU with fma.

//# types:
#define KROTON_INLINE [[maybe_unused]] static __device__ __forceinline__
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

/// Memory of the device. No two of a kernel's pointers reach what one of them writes.
//# global:
template <class T> using global = T* __restrict__;

//# lanes_of:
template <class F> inline constexpr int lanes_of = 1;

//# element_of:
template <class F> using element_of = F;

//# like:
template <class F, class T> using like = T;

//# common_of:
template <class A, class B> using common_of = B;

//# convert: types
template <class T, class F> KROTON_INLINE T convert(F x) { return (T)x; }

//# mask_of: types
KROTON_INLINE bool mask_of(bool holds) { return holds; }

//# select: types common_of
template <class A, class B> KROTON_INLINE common_of<A, B> select(bool m, A a, B b) { return m ? (common_of<A, B>)a : b; }

//# any_lane: types
KROTON_INLINE bool any_lane(bool m) { return m; }

//# bits_f32: types
KROTON_INLINE u32 bits_f32(f32 x) { return __float_as_uint(x); }

//# bits_f64: types
KROTON_INLINE u64 bits_f64(f64 x) { return (u64)__double_as_longlong(x); }

//# from_bits_f32: types
KROTON_INLINE f32 from_bits_f32(u32 x) { return __uint_as_float(x); }

//# from_bits_f64: types
KROTON_INLINE f64 from_bits_f64(u64 x) { return __longlong_as_double((long long)x); }

//# infinity_f32: types from_bits_f32
KROTON_INLINE f32 infinity_f32() { return from_bits_f32(0x7f800000u); }

//# infinity_f64: types from_bits_f64
KROTON_INLINE f64 infinity_f64() { return from_bits_f64(0x7ff0000000000000ul); }

//# nan_f32: types from_bits_f32
KROTON_INLINE f32 nan_f32() { return from_bits_f32(0x7fc00000u); }

//# nan_f64: types from_bits_f64
KROTON_INLINE f64 nan_f64() { return from_bits_f64(0x7ff8000000000000ul); }

//# fma_f32: types
KROTON_INLINE f32 fma_f32(f32 a, f32 b, f32 c) { return fmaf(a, b, c); }

//# fma_f64: types
KROTON_INLINE f64 fma_f64(f64 a, f64 b, f64 c) { return fma(a, b, c); }

//# abs_f32: types
KROTON_INLINE f32 abs_f32(f32 x) { return fabsf(x); }

//# abs_f64: types
KROTON_INLINE f64 abs_f64(f64 x) { return fabs(x); }

//# copysign_f32: types
KROTON_INLINE f32 copysign_f32(f32 x, f32 sign) { return copysignf(x, sign); }

//# copysign_f64: types
KROTON_INLINE f64 copysign_f64(f64 x, f64 sign) { return copysign(x, sign); }

//# floor_f32: types
KROTON_INLINE f32 floor_f32(f32 x) { return floorf(x); }

//# floor_f64: types
KROTON_INLINE f64 floor_f64(f64 x) { return floor(x); }

//# ceil_f32: types
KROTON_INLINE f32 ceil_f32(f32 x) { return ceilf(x); }

//# ceil_f64: types
KROTON_INLINE f64 ceil_f64(f64 x) { return ceil(x); }

//# trunc_f32: types
KROTON_INLINE f32 trunc_f32(f32 x) { return truncf(x); }

//# trunc_f64: types
KROTON_INLINE f64 trunc_f64(f64 x) { return trunc(x); }

/// To the nearest integer, ties to even.
//# rint_f32: types
KROTON_INLINE f32 rint_f32(f32 x) { return rintf(x); }

//# rint_f64: types
KROTON_INLINE f64 rint_f64(f64 x) { return rint(x); }

//# sqrt_f32: types
KROTON_INLINE f32 sqrt_f32(f32 x) { return __fsqrt_rn(x); }

//# sqrt_f64: types
KROTON_INLINE f64 sqrt_f64(f64 x) { return __dsqrt_rn(x); }

/// 1 / x, within 1 ulp.
//# rough_reciprocal_f32: types
KROTON_INLINE f32 rough_reciprocal_f32(f32 x) {
  f32 y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// One step of Newton's, which rounds 1 / b rightly but where b's significand is all ones: there it may be the number
/// below.
//# bounded_reciprocal_f32: types fma_f32 rough_reciprocal_f32
KROTON_INLINE f32 bounded_reciprocal_f32(f32 b) {
  const f32 r = rough_reciprocal_f32(b);
  return fma_f32(r, fma_f32(-b, r, 1.0f), r);
}

/// Markstein's division: the remainder of the quotient is exact, and what it adds to it rounds rightly.
//# bounded_quotient_f32: types fma_f32 bounded_reciprocal_f32
KROTON_INLINE f32 bounded_quotient_f32(f32 a, f32 b) {
  const f32 r = bounded_reciprocal_f32(b), q = a * r;
  return fma_f32(fma_f32(-b, q, a), r, q);
}

/// IEEE 754-2019 minimum and maximum: a NaN wins, and -0 < +0, as PTX has it for min and max.
//# maximum_f32: types
KROTON_INLINE f32 maximum_f32(f32 a, f32 b) {
#if __CUDA_ARCH__ >= 800
  f32 y;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
  return y;
#else
  return a != a || b != b ? a + b : fmaxf(a, b);
#endif
}

//# maximum_f64: types bits_f64 from_bits_f64
KROTON_INLINE f64 maximum_f64(f64 a, f64 b) {
  const f64 ordered = a == b ? from_bits_f64(bits_f64(a) & bits_f64(b)) : a > b ? a : b;
  return a != a ? a : ordered;
}

//# minimum_f32: types
KROTON_INLINE f32 minimum_f32(f32 a, f32 b) {
#if __CUDA_ARCH__ >= 800
  f32 y;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
  return y;
#else
  return a != a || b != b ? a + b : fminf(a, b);
#endif
}

//# minimum_f64: types bits_f64 from_bits_f64
KROTON_INLINE f64 minimum_f64(f64 a, f64 b) {
  const f64 ordered = a == b ? from_bits_f64(bits_f64(a) | bits_f64(b)) : a < b ? a : b;
  return a != a ? a : ordered;
}
