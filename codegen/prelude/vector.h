// Vectors in memory, masks of tails, and vectors folded into one value. For Clang alone.
//
// Elements are where their dtype aligns them, no better. Arrays of bool hold bytes; in a vector they are a mask.

/// What an array of T holds.
//# stored_as: types
template <class T> struct storage_of { using type = T; };
template <> struct storage_of<bool> { using type = u8; };
template <class T> using stored_as = typename storage_of<T>::type;

/// 0, 1, 2, …, N - 1.
//# lane_numbers: types vec convert
template <class T, T... lane> struct counted { static constexpr vec<T, sizeof...(lane)> lanes = {lane...}; };
template <class T, int N> KROTON_INLINE vec<T, N> lane_numbers() {
  return convert<T>(__make_integer_seq<counted, i32, N>::lanes);
}

/// A mask of the first n lanes: none for n <= 0, all for n >= N.
//# first_lanes: types vec mask_of lane_numbers
template <int N> KROTON_INLINE vec<bool, N> first_lanes(i64 n) {
  i32 count = n < 0 ? 0 : n > N ? N : (i32)n;
  return mask_of(lane_numbers<i32, N>() < count);
}

/// p[0], …, p[N - 1].
//# load_from: types vec convert stored_as
template <int N, class T> KROTON_INLINE vec<T, N> load_from(const T* p) {
  vec<stored_as<T>, N> v;
  __builtin_memcpy(&v, p, sizeof v);
  return convert<T>(v);
}

//# store_to: types convert stored_as
template <class T, class V> KROTON_INLINE void store_to(T* p, V v) {
  auto stored = convert<stored_as<T>>(v);
  __builtin_memcpy(p, &stored, sizeof stored);
}

/// p[lane] where m is set; no other element is touched, and the other lanes are those of `rest`.
//# load_first: types like lanes_of convert stored_as
template <class T, class M, class R> KROTON_INLINE like<M, T> load_first(const T* p, M m, R rest) {
  using S = stored_as<T>;
  like<M, S> v = convert<S>((like<M, T>)rest);
#if __has_builtin(__builtin_masked_load)
  v = __builtin_masked_load(m, (const S*)p, v);
#else
  for (int lane = 0; lane < lanes_of<M>; ++lane)
    if (m[lane]) v[lane] = ((const S*)p)[lane];
#endif
  return convert<T>(v);
}

/// Writes the lanes where m is set and touches no other element.
//# store_first: types like lanes_of convert stored_as
template <class T, class M, class V> KROTON_INLINE void store_first(T* p, M m, V v) {
  using S = stored_as<T>;
  like<M, S> stored = convert<S>((like<M, T>)v);
#if __has_builtin(__builtin_masked_store)
  __builtin_masked_store(m, stored, (S*)p);
#else
  for (int lane = 0; lane < lanes_of<M>; ++lane)
    if (m[lane]) ((S*)p)[lane] = stored[lane];
#endif
}

/// p[position] in each lane where m is set; no other element is touched, and the other lanes are those of `rest`.
//# gather_from: types like lanes_of convert stored_as
template <class T, class P, class M, class R>
KROTON_INLINE like<M, T> gather_from(const T* p, P positions, M m, R rest) {
  using S = stored_as<T>;
  like<M, S> v = convert<S>((like<M, T>)rest);
#if __has_builtin(__builtin_masked_gather)
  v = __builtin_masked_gather(m, positions, (const S*)p, v);
#else
  for (int lane = 0; lane < lanes_of<M>; ++lane)
    if (m[lane]) v[lane] = ((const S*)p)[positions[lane]];
#endif
  return convert<T>(v);
}

/// Writes p[position] in each lane where m is set; of two lanes with one position the later one stays. Not with
/// __builtin_masked_scatter, which in Clang 22 takes the positions to count elements of their own size.
//# scatter_to: types like lanes_of convert stored_as
template <class T, class P, class M, class V>
KROTON_INLINE void scatter_to(T* p, P positions, M m, V v) {
  using S = stored_as<T>;
  like<M, S> stored = convert<S>((like<M, T>)v);
  for (int lane = 0; lane < lanes_of<M>; ++lane)
    if (m[lane]) ((S*)p)[positions[lane]] = stored[lane];
}

/// p[0], p[stride], …, p[(N - 1) stride]. Before AVX-512 a gather is slower than as many loads.
//# load_strided: types vec convert stored_as lane_numbers gather_from
template <int N, class T> KROTON_INLINE vec<T, N> load_strided(const T* p, i64 stride) {
#ifdef __AVX512F__
  return gather_from(p, lane_numbers<i64, N>() * stride, (vec<bool, N>)true, T(0));
#else
  vec<stored_as<T>, N> v;
  for (int lane = 0; lane < N; ++lane) v[lane] = ((const stored_as<T>*)p)[lane * stride];
  return convert<T>(v);
#endif
}

//# load_strided_first: types like lanes_of lane_numbers gather_from
template <class T, class M, class R>
KROTON_INLINE like<M, T> load_strided_first(const T* p, i64 stride, M m, R rest) {
  return gather_from(p, lane_numbers<i64, lanes_of<M>>() * stride, m, rest);
}

//# store_strided: types lanes_of convert stored_as
template <class T, class V> KROTON_INLINE void store_strided(T* p, i64 stride, V v) {
  auto stored = convert<stored_as<T>>(v);
  for (int lane = 0; lane < lanes_of<V>; ++lane) ((stored_as<T>*)p)[lane * stride] = stored[lane];
}

//# store_strided_first: types lanes_of lane_numbers scatter_to
template <class T, class M, class V>
KROTON_INLINE void store_strided_first(T* p, i64 stride, M m, V v) {
  scatter_to(p, lane_numbers<i64, lanes_of<M>>() * stride, m, v);
}

/// The lanes in which m is set.
//# lane_count: types convert
template <class M> KROTON_INLINE i64 lane_count(M m) { return __builtin_reduce_add(convert<u8>(m)); }

/// Vectors of memory in which S components lie side by side, to and from vectors of one component each: `of` gives
/// component C, `into` makes vector K of memory. Of three, each lane of memory goes to a lane of its own in each
/// component's vector, so a choice between vectors and one permutation do.
//# components_of: types
template <int S, class I, I... lane> struct components {
  static constexpr int N = sizeof...(lane);
  /// Of three: the element whose component c is in lane q of some vector of memory.
  static constexpr int element(int q, int c) {
    int e = 0;
    while ((3 * e + c) % N != q) ++e;
    return e;
  }
  static constexpr int source(int q, int c) { return (3 * element(q, c) + c) / N; }
  template <int C, class V> KROTON_INLINE static V of(const V* p) {
    if constexpr (S == 2) {
      return __builtin_shufflevector(p[0], p[1], (2 * lane + C)...);
    } else if constexpr (S == 3) {
      const V two = __builtin_shufflevector(p[0], p[1], (source(lane, C) == 1 ? N + lane : lane)...);
      const V all = __builtin_shufflevector(two, p[2], (source(lane, C) == 2 ? N + lane : lane)...);
      return __builtin_shufflevector(all, all, ((3 * lane + C) % N)...);
    } else {
      const V a = __builtin_shufflevector(p[0], p[1], (lane < N / 2 ? 4 * lane + C : -1)...);
      const V b = __builtin_shufflevector(p[2], p[3], (lane < N / 2 ? -1 : 4 * lane + C - 2 * N)...);
      return __builtin_shufflevector(a, b, (lane < N / 2 ? lane : N + lane)...);
    }
  }
  template <int K, class V> KROTON_INLINE static V into(const V* v) {
    if constexpr (S == 2) {
      return __builtin_shufflevector(v[0], v[1], ((K * N + lane) / 2 + (lane % 2) * N)...);
    } else if constexpr (S == 3) {
      const V x = __builtin_shufflevector(v[0], v[0], element(lane, 0)...);
      const V y = __builtin_shufflevector(v[1], v[1], element(lane, 1)...);
      const V z = __builtin_shufflevector(v[2], v[2], element(lane, 2)...);
      const V two = __builtin_shufflevector(x, y, ((K * N + lane) % 3 == 1 ? N + lane : lane)...);
      return __builtin_shufflevector(two, z, ((K * N + lane) % 3 == 2 ? N + lane : lane)...);
    } else {
      constexpr int first = K * N / 4;
      const V a = __builtin_shufflevector(v[0], v[1], (lane % 4 < 2 ? first + lane / 4 + lane % 4 * N : -1)...);
      const V b = __builtin_shufflevector(v[2], v[3], (lane % 4 < 2 ? -1 : first + lane / 4 + (lane % 4 - 2) * N)...);
      return __builtin_shufflevector(a, b, (lane % 4 < 2 ? lane : N + lane)...);
    }
  }
};
template <int S> struct components_of {
  template <class I, I... lane> using in = components<S, I, lane...>;
};

//# dealt_out: components_of lanes_of
template <int S, int C, class V> KROTON_INLINE V dealt_out(const V* parts) {
  return __make_integer_seq<components_of<S>::template in, i32, lanes_of<V>>::template of<C>(parts);
}

//# put_together: components_of lanes_of
template <int S, class V> KROTON_INLINE void put_together(const V* parts, V* memory) {
  using all = __make_integer_seq<components_of<S>::template in, i32, lanes_of<V>>;
  memory[0] = all::template into<0>(parts);
  memory[1] = all::template into<1>(parts);
  if constexpr (S > 2) memory[2] = all::template into<2>(parts);
  if constexpr (S > 3) memory[3] = all::template into<3>(parts);
}

/// Whether m is set in any lane, in all.
//# fold_any: types convert
template <class M> KROTON_INLINE bool fold_any(M m) { return __builtin_reduce_or(convert<u8>(m)) != 0; }

//# fold_all: types convert
template <class M> KROTON_INLINE bool fold_all(M m) { return __builtin_reduce_and(convert<u8>(m)) != 0; }

/// All lanes folded into one, the upper half onto the lower until one is left. Integers wrap.
//# fold_sum: types lanes_of element_of convert
template <class V> KROTON_INLINE element_of<V> fold_sum(V v) {
  if constexpr (lanes_of<V> == 1)
    return v;
  else
    return fold_sum(convert<element_of<V>>(v.lo + v.hi));
}

//# fold_prod: types lanes_of element_of convert
template <class V> KROTON_INLINE element_of<V> fold_prod(V v) {
  if constexpr (lanes_of<V> == 1)
    return v;
  else
    return fold_prod(convert<element_of<V>>(v.lo * v.hi));
}

/// Bit patterns as integers of the same order, -0 below +0 and +NaN above +inf; and back.
//# order_f32: types convert bits_f32
template <class F> KROTON_INLINE auto order_f32(F x) {
  auto pattern = convert<i32>(bits_f32(x));
  return pattern ^ ((pattern >> 31) & 0x7fffffff);
}

//# order_f64: types convert bits_f64
template <class F> KROTON_INLINE auto order_f64(F x) {
  auto pattern = convert<i64>(bits_f64(x));
  return pattern ^ ((pattern >> 63) & 0x7fffffffffffffff);
}

//# from_order_f32: types convert from_bits_f32
template <class I> KROTON_INLINE auto from_order_f32(I order) {
  return from_bits_f32(convert<u32>(order ^ ((order >> 31) & 0x7fffffff)));
}

//# from_order_f64: types convert from_bits_f64
template <class I> KROTON_INLINE auto from_order_f64(I order) {
  return from_bits_f64(convert<u64>(order ^ ((order >> 63) & 0x7fffffffffffffff)));
}

/// Two lanes that both hold the greatest integer of all; the least.
//# greatest_pair: types lanes_of
template <class V> KROTON_INLINE auto greatest_pair(V v) {
  if constexpr (lanes_of<V> == 2)
    return __builtin_elementwise_max(v, v.yx);
  else
    return greatest_pair(__builtin_elementwise_max(v.lo, v.hi));
}

//# least_pair: types lanes_of
template <class V> KROTON_INLINE auto least_pair(V v) {
  if constexpr (lanes_of<V> == 2)
    return __builtin_elementwise_min(v, v.yx);
  else
    return least_pair(__builtin_elementwise_min(v.lo, v.hi));
}

/// The greatest lane: of floats NaN if there is one, else as maximum has it; of a mask whether any is set. Floats are
/// compared as integers, which takes one step where maximum takes six, and stay in vector registers.
//# fold_max: types lanes_of element_of fold_any order_f32 order_f64 from_order_f32 from_order_f64 greatest_pair nan_f32 nan_f64
template <class V> KROTON_INLINE element_of<V> fold_max(V v) {
  using T = element_of<V>;
  if constexpr (lanes_of<V> == 1)
    return v;
  else if constexpr (__is_same(T, bool))
    return fold_any(v);
  else if constexpr (__is_same(T, f32))
    return from_order_f32(greatest_pair(order_f32(v == v ? v : nan_f32()))).x;
  else if constexpr (__is_same(T, f64))
    return from_order_f64(greatest_pair(order_f64(v == v ? v : nan_f64()))).x;
  else
    return greatest_pair(v).x;
}

/// The least lane, likewise; of a mask whether all are set.
//# fold_min: types lanes_of element_of fold_all order_f32 order_f64 from_order_f32 from_order_f64 least_pair nan_f32 nan_f64
template <class V> KROTON_INLINE element_of<V> fold_min(V v) {
  using T = element_of<V>;
  if constexpr (lanes_of<V> == 1)
    return v;
  else if constexpr (__is_same(T, bool))
    return fold_all(v);
  else if constexpr (__is_same(T, f32))
    return from_order_f32(least_pair(order_f32(v == v ? v : -nan_f32()))).x;
  else if constexpr (__is_same(T, f64))
    return from_order_f64(least_pair(order_f64(v == v ? v : -nan_f64()))).x;
  else
    return least_pair(v).x;
}
