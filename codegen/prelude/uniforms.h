// Uniform numbers of many elements at a time: those of uniform_f32 and uniform_f64. For Clang alone.

/// Lanes with their upper and lower halves swapped. Not by shifts: LLVM would make x << 32 part of the product that
/// x is here, and that product one of 64 bits.
//# halves_swapped: types
template <class W> KROTON_INLINE W halves_swapped(W x) {
#if __has_builtin(__builtin_elementwise_fshl)
  return __builtin_elementwise_fshl(x, x, (W)32);
#else
  return x << 32 | x >> 32;
#endif
}

/// a[0], b[0], a[1], b[1], …
//# interleaved: types vec lanes_of element_of
template <class V> KROTON_INLINE auto interleaved(V a, V b) {
  vec<element_of<V>, 2 * lanes_of<V>> both;
  both.even = a;
  both.odd = b;
  return both;
}

/// The words of `blocks` consecutive blocks from counter `first` on, in the order of their elements. The last round
/// gives words 0 and 1 in one lane, and words 2 and 3: in a product with its halves swapped the lower one is what the
/// round mixes into the even word, and the upper one is the odd word.
//# philox_stream: types vec lane_numbers philox_keys philox_products philox_rounds halves_swapped interleaved
template <int blocks> KROTON_INLINE vec<u32, 4 * blocks> philox_stream(u64 key, u32 draw, u64 step, u64 first) {
  auto c = philox_rounds(key, first + lane_numbers<u64, blocks>(), draw, step);
  auto [left, right] = philox_products(c);
  auto [k0, k1] = philox_keys::of(key, 9);
  auto low = halves_swapped(right) ^ ((c.w1 ^ k0) & 0xffffffffu);
  auto high = halves_swapped(left) ^ ((c.w3 ^ k1) & 0xffffffffu);
  return __builtin_bit_cast(vec<u32, 4 * blocks>, interleaved(low, high));
}

/// N lanes of the 2 N of v, from lane `begin` < N on.
//# lanes_from: types vec lanes_of element_of lane_numbers
template <class V> KROTON_INLINE auto lanes_from(V v, i32 begin) {
  constexpr int lanes = lanes_of<V> / 2;
#ifdef __AVX512F__
  if constexpr (lanes == 16 && sizeof v == 128) {
    using W = vec<i32, 16>;
    return (vec<element_of<V>, 16>)__builtin_ia32_vpermi2vard512((W)v.lo, lane_numbers<i32, 16>() + begin, (W)v.hi);
  }
#endif
  vec<element_of<V>, lanes> inside;
  __builtin_memcpy(&inside, (const element_of<V>*)&v + begin, sizeof inside);
  return inside;
}

/// Elements first, …, first + N - 1 of a draw. Where first is no multiple of 4 they reach into one more block than
/// N / 4; twice as many are made. A long run is filled faster.
//# uniforms_f32: types vec philox_stream unit_f32 lanes_from
template <int N> KROTON_INLINE vec<f32, N> uniforms_f32(u64 key, u32 draw, u64 step, u64 first) {
  return unit_f32(lanes_from(philox_stream<N / 2>(key, draw, step, first >> 2), (i32)(first & 3)));
}

//# uniforms_f64: types vec uniform_f64 lane_numbers
template <int N> KROTON_INLINE vec<f64, N> uniforms_f64(u64 key, u32 draw, u64 step, u64 first) {
  return uniform_f64(key, draw, step, first + lane_numbers<u64, N>());
}

/// Writes n elements, numbers(0), numbers(1), … one after the other but for the first `skipped` lanes.
//# fill_groups: types lanes_of first_lanes store_to store_first
template <class T, class Numbers> KROTON_INLINE void fill_groups(T* to, i64 n, i64 skipped, Numbers numbers) {
  constexpr int lanes = lanes_of<decltype(numbers(0))>;
  u64 group = 0;
  for (i64 i = -skipped; i < n; i += lanes, ++group) {
    auto v = numbers(group);
    if (i >= 0 && i + lanes <= n)
      store_to(to + i, v);
    else
      store_first(to + i, first_lanes<lanes>(n - i) & ~first_lanes<lanes>(-i), v);
  }
}

/// Blocks whose rounds are computed together: two vectors of them where there are registers for both, so that the
/// products of one hide those of the other. A function of their own leaves the registers to the rounds.
//# philox_blocks:
#ifdef __AVX512F__
inline constexpr int philox_blocks = 16;
#else
inline constexpr int philox_blocks = 8;
#endif

/// Writes elements first, …, first + n - 1 of a draw, some blocks at a time.
//# fill_uniform_f32: types philox_blocks philox_stream unit_f32 fill_groups
[[gnu::noinline]] static void fill_uniform_f32(f32* to, i64 n, u64 key, u32 draw, u64 step, u64 first) {
  fill_groups(to, n, first & 3, [=](u64 group) {
    return unit_f32(philox_stream<philox_blocks>(key, draw, step, (first >> 2) + philox_blocks * group));
  });
}

//# fill_positive_f32: types philox_blocks philox_stream middle_f32 fill_groups
[[gnu::noinline]] static void fill_positive_f32(f32* to, i64 n, u64 key, u32 draw, u64 step, u64 first) {
  fill_groups(to, n, first & 3, [=](u64 group) {
    return middle_f32(philox_stream<philox_blocks>(key, draw, step, (first >> 2) + philox_blocks * group));
  });
}

//# fill_uniform_f64: types philox_blocks philox_stream unit_f64 fill_groups
[[gnu::noinline]] static void fill_uniform_f64(f64* to, i64 n, u64 key, u32 draw, u64 step, u64 first) {
  fill_groups(to, n, first & 1, [=](u64 group) {
    auto words = philox_stream<philox_blocks>(key, draw, step, (first >> 1) + philox_blocks * group);
    return unit_f64(words.even, words.odd);
  });
}
