// Bits of integers.

/// a shifted by b places; a negative b, or one of at least as many places as there are, moves all bits out.
//# shift_left_of: types like common_of convert select
template <class T, class A, class B> KROTON_INLINE auto shift_left_of(A a, B b) {
  using I = common_of<like<A, T>, like<B, T>>;
  I value = a, places = b;
  auto out = (places < T(0)) | (places >= T(8 * sizeof(T)));
  return select(out, (I)T(0), convert<T>(value << select(out, (I)T(0), places)));
}

/// Copies of the sign move in.
//# shift_right_of: types like common_of convert select
template <class T, class A, class B> KROTON_INLINE auto shift_right_of(A a, B b) {
  using I = common_of<like<A, T>, like<B, T>>;
  I value = a, places = b;
  auto out = (places < T(0)) | (places >= T(8 * sizeof(T)));
  return convert<T>(value >> select(out, (I)T(8 * sizeof(T) - 1), places)) & select(out & (value >= T(0)), (I)T(0), (I)T(-1));
}

/// How many bits of |a| are set.
//# popcount_of: types convert mask_of select
template <class T, class A> KROTON_INLINE auto popcount_of(A a) {
  auto wide = convert<u64>(a);
  auto v = select(mask_of(a < T(0)), 0ul - wide, wide);
  v = v - ((v >> 1) & 0x5555555555555555ul);
  v = (v & 0x3333333333333333ul) + ((v >> 2) & 0x3333333333333333ul);
  v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0ful;
  return convert<T>((v * 0x0101010101010101ul) >> 56);
}
