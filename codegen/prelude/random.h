// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; 2011).
//
// A draw's element e owns word e % 4 of the block whose counter is {e / 4, draw, step low, step high}
// and whose key is the seed. f64 takes two words: element e those at 2 (e % 2) of counter e / 2.

//# philox_round: types
struct philox_words { u32 w0; u32 w1; u32 w2; u32 w3; };
KROTON_INLINE philox_words philox_round(philox_words c, u32 k0, u32 k1) {
  u64 left = (u64)0xd2511f53u * c.w0;
  u64 right = (u64)0xcd9e8d57u * c.w2;
  return {(u32)(right >> 32) ^ c.w1 ^ k0, (u32)right, (u32)(left >> 32) ^ c.w3 ^ k1, (u32)left};
}

/// The rounds are written out: a loop here keeps LLVM from vectorising the loop over elements.
//# philox_block: types philox_round
KROTON_INLINE philox_words philox_block(u64 key, u32 c0, u32 c1, u64 step) {
  const u32 a = 0x9e3779b9u;
  const u32 b = 0xbb67ae85u;
  u32 k0 = (u32)key;
  u32 k1 = (u32)(key >> 32);
  philox_words c = {c0, c1, (u32)step, (u32)(step >> 32)};
  c = philox_round(c, k0, k1);
  c = philox_round(c, k0 + 1 * a, k1 + 1 * b);
  c = philox_round(c, k0 + 2 * a, k1 + 2 * b);
  c = philox_round(c, k0 + 3 * a, k1 + 3 * b);
  c = philox_round(c, k0 + 4 * a, k1 + 4 * b);
  c = philox_round(c, k0 + 5 * a, k1 + 5 * b);
  c = philox_round(c, k0 + 6 * a, k1 + 6 * b);
  c = philox_round(c, k0 + 7 * a, k1 + 7 * b);
  c = philox_round(c, k0 + 8 * a, k1 + 8 * b);
  c = philox_round(c, k0 + 9 * a, k1 + 9 * b);
  return c;
}

//# philox_word: types philox_block
KROTON_INLINE u32 philox_word(u64 key, u32 c0, u32 c1, u64 step, i32 word) {
  philox_words c = philox_block(key, c0, c1, step);
  u32 low = word & 1 ? c.w1 : c.w0;
  u32 high = word & 1 ? c.w3 : c.w2;
  return word & 2 ? high : low;
}

/// The upper 24 bits as a number in [0, 1).
//# unit_f32: types
KROTON_INLINE f32 unit_f32(u32 bits) { return (f32)(i32)(bits >> 8) * 0x1p-24f; }

/// 53 bits of two words as a number in [0, 1).
//# unit_f64: types
KROTON_INLINE f64 unit_f64(u32 high, u32 low) {
  return ((f64)(i32)(high >> 5) * 0x1p26 + (f64)(i32)(low >> 6)) * 0x1p-53;
}

/// Element `element` of a draw, in [0, 1).
//# uniform_f32: types philox_word unit_f32
KROTON_INLINE f32 uniform_f32(u64 key, u32 draw, u64 step, u64 element) {
  return unit_f32(philox_word(key, (u32)(element >> 2), draw, step, (i32)(element & 3)));
}

//# uniform_f64: types philox_block unit_f64
KROTON_INLINE f64 uniform_f64(u64 key, u32 draw, u64 step, u64 element) {
  philox_words c = philox_block(key, (u32)(element >> 1), draw, step);
  return unit_f64(element & 1 ? c.w2 : c.w0, element & 1 ? c.w3 : c.w1);
}
