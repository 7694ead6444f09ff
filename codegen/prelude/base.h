// Types, bit patterns and the few operations whose spelling depends on the compiler.
//
// A line `//# name: dependency …` opens a fragment; embed.py cuts these files into a table, checks
// that the dependencies are exactly the fragments whose names a text uses, and drops lines that
// begin with `///`. No header is included and no library function is called: a kernel stands alone.
//
// Functions take vectors as they take scalars, and give each lane what they give a scalar. Those of several
// arguments take any mix: a scalar stands for a vector of it. Only Clang has the vectors.

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

/// N values of T, on which arithmetic, comparisons and ?: work lane by lane. vec<bool, N> is a mask. A comparison
/// gives integers of the operands' width, -1 where it holds: mask_of makes a mask of them.
/// Masks of fewer than 8 lanes are right but slow: Clang 22 takes them apart bit by bit wherever a function returns one.
//# vec:
#ifdef __clang__
template <class T, int N> using vec = T __attribute__((ext_vector_type(N)));
#endif

/// How many lanes F has, 1 for a scalar; what they hold; what has as many lanes of another type; and what F and
/// another type of the same dtype become together: the vector among them.
//# shape_of: vec
template <class F> struct shape_of {
  static constexpr int lanes = 1;
  using element = F;
  template <class T> using of = T;
  template <class T> using with = T;
};
#ifdef __clang__
template <class E, int N> struct shape_of<vec<E, N>> {
  static constexpr int lanes = N;
  using element = E;
  template <class T> using of = vec<T, N>;
  template <class T> using with = vec<E, N>;
};
#endif

//# lanes_of: shape_of
template <class F> inline constexpr int lanes_of = shape_of<F>::lanes;

//# element_of: shape_of
template <class F> using element_of = typename shape_of<F>::element;

/// As many lanes of T as F has.
//# like: shape_of
template <class F, class T> using like = typename shape_of<F>::template of<T>;

//# common_of: shape_of
template <class A, class B> using common_of = typename shape_of<A>::template with<B>;

/// The plain C++ cast of each lane to T. Where T is bool that is x != 0: the lanes of a mask.
//# convert: types lanes_of like
template <class T, class F> KROTON_INLINE like<F, T> convert(F x) {
  if constexpr (lanes_of<F> == 1)
    return (T)x;
  else
    return __builtin_convertvector(x, like<F, T>);
}

/// What a comparison gives as a bool, or as a mask.
//# mask_of: types like convert
template <class C> KROTON_INLINE like<C, bool> mask_of(C holds) { return convert<bool>(holds); }

/// a where m is set, otherwise b. The two are of one dtype.
//# select: types element_of lanes_of like common_of
template <class M, class A, class B> KROTON_INLINE auto select(M m, A a, B b) {
  using Arm = common_of<A, B>;
  using F = common_of<like<M, element_of<Arm>>, Arm>;
#if defined(__clang__) && __clang_major__ < 22
  // There a condition's lanes are as wide as those it chooses from.
  if constexpr (lanes_of<M> > 1) return __builtin_convertvector(m, decltype((F)a == (F)b)) != 0 ? (F)a : (F)b;
  else
#endif
  return m ? (F)a : (F)b;
}

/// Whether m, a bool, a mask or what a comparison gives, holds in any lane.
//# any_lane: types lanes_of mask_of convert
template <class M> KROTON_INLINE bool any_lane(M m) {
#ifdef __clang__
  if constexpr (lanes_of<M> > 1) return __builtin_reduce_or(convert<u8>(mask_of(m))) != 0;
  else
#endif
  return m;
}

//# bits_f32: types like
template <class F> KROTON_INLINE like<F, u32> bits_f32(F x) { return __builtin_bit_cast(like<F, u32>, x); }

//# bits_f64: types like
template <class F> KROTON_INLINE like<F, u64> bits_f64(F x) { return __builtin_bit_cast(like<F, u64>, x); }

//# from_bits_f32: types like
template <class U> KROTON_INLINE like<U, f32> from_bits_f32(U x) { return __builtin_bit_cast(like<U, f32>, x); }

//# from_bits_f64: types like
template <class U> KROTON_INLINE like<U, f64> from_bits_f64(U x) { return __builtin_bit_cast(like<U, f64>, x); }

//# infinity_f32: types
KROTON_INLINE f32 infinity_f32() { return __builtin_inff(); }

//# infinity_f64: types
KROTON_INLINE f64 infinity_f64() { return __builtin_inf(); }

//# nan_f32: types
KROTON_INLINE f32 nan_f32() { return __builtin_nanf(""); }

//# nan_f64: types
KROTON_INLINE f64 nan_f64() { return __builtin_nan(""); }

/// table[index % 32] in each lane.
//# looked_up: types vec lanes_of like
#ifdef __AVX512F__
template <class I> KROTON_INLINE like<I, f32> looked_up(const f32 (&table)[32], I index) {
  if constexpr (lanes_of<I> == 1) {
    return table[index % 32];
  } else if constexpr (lanes_of<I> == 16) {
    vec<f32, 16> half[2];
    __builtin_memcpy(half, table, sizeof half);
    return __builtin_ia32_vpermi2varps512(half[0], __builtin_bit_cast(vec<i32, 16>, index), half[1]);
  } else if constexpr (lanes_of<I> < 16) {
    vec<u32, 2 * lanes_of<I>> twice;
    twice.lo = twice.hi = index;
    return looked_up(table, twice).lo;
  } else {
    like<I, f32> v;
    v.lo = looked_up(table, index.lo);
    v.hi = looked_up(table, index.hi);
    return v;
  }
}
#endif

/// a * b + c, rounded once where the machine can; never a call of the library's fma.
//# fma_f32: types
template <class A, class B, class C> KROTON_INLINE auto fma_f32(A a, B b, C c) {
#if defined(__FMA__) && defined(__clang__)
  using F = decltype(a * b + c);
  return __builtin_elementwise_fma((F)a, (F)b, (F)c);
#elif defined(__FMA__)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

//# fma_f64: types
template <class A, class B, class C> KROTON_INLINE auto fma_f64(A a, B b, C c) {
#if defined(__FMA__) && defined(__clang__)
  using F = decltype(a * b + c);
  return __builtin_elementwise_fma((F)a, (F)b, (F)c);
#elif defined(__FMA__)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}

//# abs_f32: types
template <class F> KROTON_INLINE F abs_f32(F x) {
#ifdef __clang__
  return __builtin_elementwise_abs(x);
#else
  return __builtin_fabsf(x);
#endif
}

//# abs_f64: types
template <class F> KROTON_INLINE F abs_f64(F x) {
#ifdef __clang__
  return __builtin_elementwise_abs(x);
#else
  return __builtin_fabs(x);
#endif
}

//# copysign_f32: types
template <class A, class B> KROTON_INLINE auto copysign_f32(A x, B sign) {
#ifdef __clang__
  using F = decltype(x + sign);
  return __builtin_elementwise_copysign((F)x, (F)sign);
#else
  return __builtin_copysignf(x, sign);
#endif
}

//# copysign_f64: types
template <class A, class B> KROTON_INLINE auto copysign_f64(A x, B sign) {
#ifdef __clang__
  using F = decltype(x + sign);
  return __builtin_elementwise_copysign((F)x, (F)sign);
#else
  return __builtin_copysign(x, sign);
#endif
}

//# floor_f32: types
template <class F> KROTON_INLINE F floor_f32(F x) {
#ifdef __clang__
  return __builtin_elementwise_floor(x);
#else
  return __builtin_floorf(x);
#endif
}

//# floor_f64: types
template <class F> KROTON_INLINE F floor_f64(F x) {
#ifdef __clang__
  return __builtin_elementwise_floor(x);
#else
  return __builtin_floor(x);
#endif
}

//# ceil_f32: types
template <class F> KROTON_INLINE F ceil_f32(F x) {
#ifdef __clang__
  return __builtin_elementwise_ceil(x);
#else
  return __builtin_ceilf(x);
#endif
}

//# ceil_f64: types
template <class F> KROTON_INLINE F ceil_f64(F x) {
#ifdef __clang__
  return __builtin_elementwise_ceil(x);
#else
  return __builtin_ceil(x);
#endif
}

//# trunc_f32: types
template <class F> KROTON_INLINE F trunc_f32(F x) {
#ifdef __clang__
  return __builtin_elementwise_trunc(x);
#else
  return __builtin_truncf(x);
#endif
}

//# trunc_f64: types
template <class F> KROTON_INLINE F trunc_f64(F x) {
#ifdef __clang__
  return __builtin_elementwise_trunc(x);
#else
  return __builtin_trunc(x);
#endif
}

/// To the nearest integer, ties to even.
//# rint_f32: types
template <class F> KROTON_INLINE F rint_f32(F x) {
#ifdef __clang__
  return __builtin_elementwise_rint(x);
#else
  return __builtin_rintf(x);
#endif
}

//# rint_f64: types
template <class F> KROTON_INLINE F rint_f64(F x) {
#ifdef __clang__
  return __builtin_elementwise_rint(x);
#else
  return __builtin_rint(x);
#endif
}

/// Clang turns __builtin_sqrt into a library call when it keeps errno; its elementwise form never.
//# sqrt_f32: types
template <class F> KROTON_INLINE F sqrt_f32(F x) {
#ifdef __clang__
  return __builtin_elementwise_sqrt(x);
#else
  return __builtin_sqrtf(x);
#endif
}

//# sqrt_f64: types
template <class F> KROTON_INLINE F sqrt_f64(F x) {
#ifdef __clang__
  return __builtin_elementwise_sqrt(x);
#else
  return __builtin_sqrt(x);
#endif
}

/// 1 / b for 1 <= b < 2^126. Where there is no quick division, that of a b whose significand is all ones may be the
/// number below: a result must not depend on which it is.
//# bounded_reciprocal_f32: types
template <class F> KROTON_INLINE F bounded_reciprocal_f32(F b) { return 1.0f / b; }

/// a / b for 0 <= a <= b and 1 <= b <= 2. Next to a = 0, b must be 1.
//# bounded_quotient_f32: types
template <class F> KROTON_INLINE F bounded_quotient_f32(F a, F b) { return a / b; }

/// IEEE 754-2019 minimum and maximum: a NaN wins, and -0 < +0. Clang's builtin is also
/// recognised as a reduction by LLVM's vectoriser.
//# maximum_f32: types bits_f32 from_bits_f32
template <class A, class B> KROTON_INLINE auto maximum_f32(A x, B y) {
  decltype(x + y) a = x, b = y;
#if defined(__clang__) && __has_builtin(__builtin_elementwise_maximum)
  return __builtin_elementwise_maximum(a, b);
#else
  decltype(a) ordered = a == b ? from_bits_f32(bits_f32(a) & bits_f32(b)) : a > b ? a : b;
  return a != a ? a : ordered;
#endif
}

//# maximum_f64: types bits_f64 from_bits_f64
template <class A, class B> KROTON_INLINE auto maximum_f64(A x, B y) {
  decltype(x + y) a = x, b = y;
#if defined(__clang__) && __has_builtin(__builtin_elementwise_maximum)
  return __builtin_elementwise_maximum(a, b);
#else
  decltype(a) ordered = a == b ? from_bits_f64(bits_f64(a) & bits_f64(b)) : a > b ? a : b;
  return a != a ? a : ordered;
#endif
}

//# minimum_f32: types bits_f32 from_bits_f32
template <class A, class B> KROTON_INLINE auto minimum_f32(A x, B y) {
  decltype(x + y) a = x, b = y;
#if defined(__clang__) && __has_builtin(__builtin_elementwise_minimum)
  return __builtin_elementwise_minimum(a, b);
#else
  decltype(a) ordered = a == b ? from_bits_f32(bits_f32(a) | bits_f32(b)) : a < b ? a : b;
  return a != a ? a : ordered;
#endif
}

//# minimum_f64: types bits_f64 from_bits_f64
template <class A, class B> KROTON_INLINE auto minimum_f64(A x, B y) {
  decltype(x + y) a = x, b = y;
#if defined(__clang__) && __has_builtin(__builtin_elementwise_minimum)
  return __builtin_elementwise_minimum(a, b);
#else
  decltype(a) ordered = a == b ? from_bits_f64(bits_f64(a) | bits_f64(b)) : a < b ? a : b;
  return a != a ? a : ordered;
#endif
}
