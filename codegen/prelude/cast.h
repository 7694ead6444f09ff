// Casts that C++ leaves undefined or to taste. All others are plain C++ casts.

/// An element of an array of bool that others may have written: any byte but 0 is true.
//# truth: types
KROTON_INLINE bool truth(const bool& element) { return *(const u8*)&element != 0; }

/// True for everything but zero; a NaN is true.
//# to_bool: types like convert
template <class F> KROTON_INLINE like<F, bool> to_bool(F x) { return convert<bool>(x); }

/// Toward zero, saturating; a NaN gives 0. `below` is the largest float under 2^digits, where T ends.
//# saturate_of: types element_of like convert mask_of select
template <class T, class F> KROTON_INLINE like<F, T> saturate_of(F x) {
  using E = element_of<F>;
  constexpr bool negative = T(-1) < T(0);
  constexpr int digits = 8 * sizeof(T) - negative;
  constexpr int precision = sizeof(E) == 4 ? 24 : 53;
  constexpr E beyond = E(1ul << (digits - 1)) * 2;
  constexpr E below = beyond - (digits > precision ? E(1ul << (digits - precision)) : E(1));
  constexpr E low = negative ? -beyond : E(0);
  constexpr T most = T(~0ul >> (64 - digits));
  constexpr T least = negative ? T(-most - 1) : T(0);
  F inside = x >= low ? x : low;
  inside = inside <= below ? inside : below;
  like<F, T> y = select(mask_of(x > below), most, convert<T>(inside));
  return select(mask_of(x != x), T(0), select(mask_of(x < low), least, y));
}

//# to_i8: types like saturate_of
template <class F> KROTON_INLINE like<F, i8> to_i8(F x) { return saturate_of<i8>(x); }

//# to_i16: types like saturate_of
template <class F> KROTON_INLINE like<F, i16> to_i16(F x) { return saturate_of<i16>(x); }

//# to_i32: types like saturate_of
template <class F> KROTON_INLINE like<F, i32> to_i32(F x) { return saturate_of<i32>(x); }

//# to_i64: types like saturate_of
template <class F> KROTON_INLINE like<F, i64> to_i64(F x) { return saturate_of<i64>(x); }

//# to_u8: types like saturate_of
template <class F> KROTON_INLINE like<F, u8> to_u8(F x) { return saturate_of<u8>(x); }

//# to_u16: types like saturate_of
template <class F> KROTON_INLINE like<F, u16> to_u16(F x) { return saturate_of<u16>(x); }

//# to_u32: types like saturate_of
template <class F> KROTON_INLINE like<F, u32> to_u32(F x) { return saturate_of<u32>(x); }

//# to_u64: types like saturate_of
template <class F> KROTON_INLINE like<F, u64> to_u64(F x) { return saturate_of<u64>(x); }
