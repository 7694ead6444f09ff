// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; 2011).
//
// A draw's element e owns word e % 4 of the block whose counter is {e / 4, draw, step low, step high}
// and whose key is the seed. f64 takes two words: element e those at 2 (e % 2) of counter e / 2.

/// What a round mixes in: the key, stepped once a round.
//# philox_keys: types
struct philox_keys {
  u32 k0;
  u32 k1;
  KROTON_INLINE philox_keys of(u64 key, u32 round) {
    return {(u32)key + round * 0x9e3779b9u, (u32)(key >> 32) + round * 0xbb67ae85u};
  }
};

/// W is u64 or a vector of it, one block a lane: a word is the low half, and what stands above it is ignored.
//# philox_products: types
template <class W> struct philox_words { W w0; W w1; W w2; W w3; };
template <class W> struct philox_pair { W left; W right; };
template <class W> KROTON_INLINE philox_pair<W> philox_products(philox_words<W> c) {
  return {(c.w0 & 0xffffffffu) * 0xd2511f53u, (c.w2 & 0xffffffffu) * 0xcd9e8d57u};
}

/// The high half of each lane as its low one. Of vectors a shuffle, which runs beside the products where a shift waits
/// for the same unit.
//# high_half: types vec lanes_of
template <class W> KROTON_INLINE W high_half(W x) {
#ifdef __clang__
  if constexpr (lanes_of<W> > 1) {
    auto halves = __builtin_bit_cast(vec<u32, 2 * lanes_of<W>>, x);
    halves.even = halves.odd;
    return __builtin_bit_cast(W, halves);
  }
#endif
  return x >> 32;
}

//# philox_round: types philox_keys philox_products high_half
template <class W> KROTON_INLINE philox_words<W> philox_round(philox_words<W> c, philox_keys key) {
  auto [left, right] = philox_products(c);
  return {high_half(right) ^ c.w1 ^ key.k0, right, high_half(left) ^ c.w3 ^ key.k1, left};
}

/// All rounds but the last. They are written out: a loop here keeps LLVM from vectorising the loop over elements.
//# philox_rounds: types convert like philox_keys philox_round
template <class C> KROTON_INLINE auto philox_rounds(u64 key, C counter, u32 draw, u64 step) {
  using W = like<C, u64>;
  philox_words<W> c = {convert<u64>(counter), (W)draw, (W)step, (W)(step >> 32)};
  c = philox_round(c, philox_keys::of(key, 0));
  c = philox_round(c, philox_keys::of(key, 1));
  c = philox_round(c, philox_keys::of(key, 2));
  c = philox_round(c, philox_keys::of(key, 3));
  c = philox_round(c, philox_keys::of(key, 4));
  c = philox_round(c, philox_keys::of(key, 5));
  c = philox_round(c, philox_keys::of(key, 6));
  c = philox_round(c, philox_keys::of(key, 7));
  return philox_round(c, philox_keys::of(key, 8));
}

//# philox_block: types philox_keys philox_round philox_rounds
template <class C> KROTON_INLINE auto philox_block(u64 key, C counter, u32 draw, u64 step) {
  return philox_round(philox_rounds(key, counter, draw, step), philox_keys::of(key, 9));
}

//# philox_word: types convert philox_block
template <class C, class I> KROTON_INLINE auto philox_word(u64 key, C counter, u32 draw, u64 step, I word) {
  auto c = philox_block(key, counter, draw, step);
  auto low = (word & 1) != 0 ? c.w1 : c.w0;
  auto high = (word & 1) != 0 ? c.w3 : c.w2;
  return convert<u32>((word & 2) != 0 ? high : low);
}

/// The upper 24 bits as a number in [0, 1).
//# unit_f32: types convert
template <class U> KROTON_INLINE auto unit_f32(U bits) {
  return convert<f32>(convert<i32>(bits >> 8)) * 0x1p-24f;
}

/// The upper 31 bits as the middle of one of 2^31 equal parts of (0, 1): what logarithms are taken of.
//# middle_f32: types convert
template <class U> KROTON_INLINE auto middle_f32(U bits) {
  return convert<f32>(convert<i32>(bits >> 1)) * 0x1p-31f + 0x1p-32f;
}

/// 53 bits of two words as a number in [0, 1).
//# unit_f64: types convert
template <class U> KROTON_INLINE auto unit_f64(U high, U low) {
  return (convert<f64>(convert<i32>(high >> 5)) * 0x1p26 + convert<f64>(convert<i32>(low >> 6))) * 0x1p-53;
}

/// Element `element` of a draw, in [0, 1).
//# uniform_f32: types convert philox_word unit_f32
template <class I> KROTON_INLINE auto uniform_f32(u64 key, u32 draw, u64 step, I element) {
  auto e = convert<u64>(element);
  return unit_f32(philox_word(key, e >> 2, draw, step, e & 3));
}

/// The same as numbers above 0.
//# positive_f32: types convert philox_word middle_f32
template <class I> KROTON_INLINE auto positive_f32(u64 key, u32 draw, u64 step, I element) {
  auto e = convert<u64>(element);
  return middle_f32(philox_word(key, e >> 2, draw, step, e & 3));
}

//# uniform_f64: types convert philox_block unit_f64
template <class I> KROTON_INLINE auto uniform_f64(u64 key, u32 draw, u64 step, I element) {
  auto e = convert<u64>(element);
  auto c = philox_block(key, e >> 1, draw, step);
  auto high = convert<u32>((e & 1) != 0 ? c.w2 : c.w0);
  auto low = convert<u32>((e & 1) != 0 ? c.w3 : c.w1);
  return unit_f64(high, low);
}
