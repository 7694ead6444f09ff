// Loops that take a vector of elements at a time.
//
//   in_vectors<16, 2>(0, n, [&](i64 i, auto m, int k) {
//     const auto v = load(x + i, m);
//     sum.take(m, k, v);
//   });
//
// The body is written once and mostly stands twice: for whole vectors (m is all_lanes<16>) and for what is left
// at the end (m is the mask of the lanes that are in the loop). With two or more vectors a turn, k is the
// number of the vector in its turn, so that sums need not wait for each other.

/// The mask that has every lane in it.
//# all_lanes:
template <int N> struct all_lanes {};

//# where: types vec select all_lanes
template <int N, class A, class B> KROTON_INLINE auto where(all_lanes<N>, A a, B) { return a; }
template <int N, class A, class B> KROTON_INLINE auto where(vec<bool, N> m, A a, B b) { return select(m, a, b); }

/// The lanes of b that are in the loop.
//# masked: types vec all_lanes
template <int N> KROTON_INLINE vec<bool, N> masked(all_lanes<N>, vec<bool, N> m) { return m; }
template <int N> KROTON_INLINE vec<bool, N> masked(vec<bool, N> a, vec<bool, N> b) { return a & b; }

//# load: types vec all_lanes load_from load_first
template <int N, class T> KROTON_INLINE auto load(const T* from, all_lanes<N>) { return load_from<N>(from); }
template <int N, class T> KROTON_INLINE auto load(const T* from, vec<bool, N> m) { return load_first(from, m, T(0)); }

/// As load, of an array that is walked from end to end: asks for what comes 4 KiB later, since the machine's own
/// look-ahead keeps too few lines of large arrays under way. What is asked for need not exist.
//# load_ahead: types load
template <class T, class M> KROTON_INLINE auto load_ahead(const T* from, M m) {
  const auto v = load(from, m);
  for (u64 at = 0; at < sizeof v; at += 64) __builtin_prefetch((const void*)((u64)from + 4096 + at));
  return v;
}

/// Elements `step` apart.
//# load_every: types vec all_lanes load_strided load_strided_first
template <int N, class T> KROTON_INLINE auto load_every(const T* from, i64 step, all_lanes<N>) {
  return load_strided<N>(from, step);
}
template <int N, class T> KROTON_INLINE auto load_every(const T* from, i64 step, vec<bool, N> m) {
  return load_strided_first(from, step, m, T(0));
}

//# store: types vec all_lanes store_to store_first
template <int N, class T> KROTON_INLINE void store(T* to, vec<T, N> v, all_lanes<N>) { store_to(to, v); }
template <int N, class T> KROTON_INLINE void store(T* to, vec<T, N> v, vec<bool, N> m) { store_first(to, m, v); }

//# store_every: types vec all_lanes store_strided store_strided_first
template <int N, class T> KROTON_INLINE void store_every(T* to, i64 step, vec<T, N> v, all_lanes<N>) {
  store_strided(to, step, v);
}
template <int N, class T> KROTON_INLINE void store_every(T* to, i64 step, vec<T, N> v, vec<bool, N> m) {
  store_strided_first(to, step, m, v);
}

/// Where S components lie side by side: what is at p, which is component C, in each lane.
//# load_apart: types vec all_lanes load_from load_first first_lanes lane_count dealt_out
template <int S, int C, int N, class T> KROTON_INLINE auto load_apart(const T* p, all_lanes<N>) {
  vec<T, N> parts[S];
#pragma clang loop unroll(full)
  for (int k = 0; k < S; ++k) parts[k] = load_from<N>(p - C + k * N);
  return dealt_out<S, C>(parts);
}
template <int S, int C, int N, class T> KROTON_INLINE auto load_apart(const T* p, vec<bool, N> m) {
  const i64 n = lane_count(m) * S;
  vec<T, N> parts[S];
#pragma clang loop unroll(full)
  for (int k = 0; k < S; ++k) parts[k] = load_first(p - C + k * N, first_lanes<N>(n - k * N), T(0));
  return dealt_out<S, C>(parts);
}

/// Stores S components side by side; the first one of the first lane is at p.
//# store_apart: types vec all_lanes store_to store_first first_lanes lane_count put_together
template <int N, class T, class... V> KROTON_INLINE void store_apart(T* p, all_lanes<N>, V... v) {
  constexpr int S = sizeof...(V);
  const vec<T, N> parts[] = {v...};
  vec<T, N> memory[S];
  put_together<S>(parts, memory);
#pragma clang loop unroll(full)
  for (int k = 0; k < S; ++k) store_to(p + k * N, memory[k]);
}
template <int N, class T, class... V> KROTON_INLINE void store_apart(T* p, vec<bool, N> m, V... v) {
  constexpr int S = sizeof...(V);
  const i64 n = lane_count(m) * S;
  const vec<T, N> parts[] = {v...};
  vec<T, N> memory[S];
  put_together<S>(parts, memory);
#pragma clang loop unroll(full)
  for (int k = 0; k < S; ++k) store_first(p + k * N, first_lanes<N>(n - k * N), memory[k]);
}

/// Masks cost AVX-512 next to nothing: there a body that is too long for several vectors a turn stands once.
//# in_vectors: types vec all_lanes first_lanes
template <int N, int U, class Body> KROTON_INLINE void in_vectors(i64 from, i64 to, Body body) {
  i64 i = from;
#ifdef __AVX512F__
  if constexpr (U == 1) {
    vec<bool, N> m = true;
#pragma clang loop unroll(disable)
    for (; i < to; i += N) {
      if (to - i < N) m = first_lanes<N>(to - i);
      [[clang::always_inline]] body(i, m, 0);
    }
    return;
  }
#endif
  if constexpr (U > 1) {
    for (; i + U * N <= to; i += U * N) {
#pragma clang loop unroll(full)
      for (int k = 0; k < U; ++k) [[clang::always_inline]] body(i + k * N, all_lanes<N>{}, k);
    }
  }
#pragma clang loop unroll(disable)
  for (; i + N <= to; i += N) [[clang::always_inline]] body(i, all_lanes<N>{}, 0);
  if (i < to) [[clang::always_inline]] body(i, first_lanes<N>(to - i), 0);
}

/// From 0 to a length that is known: the body stands only where the length has a use for it.
//# in_vectors_of: types all_lanes first_lanes
template <int length, int N, int U, class Body> KROTON_INLINE void in_vectors_of(Body body) {
  constexpr int turns = U > 1 ? length / (U * N) * (U * N) : 0, full = length / N * N;
  if constexpr (turns > 0) {
    for (i64 i = 0; i < turns; i += U * N) {
#pragma clang loop unroll(full)
      for (int k = 0; k < U; ++k) [[clang::always_inline]] body(i + k * N, all_lanes<N>{}, k);
    }
  }
  if constexpr (full > turns) {
#pragma clang loop unroll(disable)
    for (i64 i = turns; i < full; i += N) [[clang::always_inline]] body(i, all_lanes<N>{}, 0);
  }
  if constexpr (length > full) [[clang::always_inline]] body(full, first_lanes<N>(length - full), 0);
}

// What a loop folds into: U vectors that `take` adds elements to, and `result` folds into one number, in an order
// that depends on the loop's length alone.

/// P partial sums: element i of the loop is added to number i % P, and their upper half is added to the lower until one
/// is left. So the order is that of P, whatever N is and however many vectors a turn takes. The partial sums move on
/// by a vector with each that is added, which leaves them in registers where turns take fewer than they are; the sum
/// does not tell which of them stands first.
//# sums: vec where fold_sum
template <class T, int N, int P> struct sums {
  vec<T, N> part[P / N] = {};
  template <int count> [[gnu::always_inline]] static T folded(const vec<T, N>* parts) {
    if constexpr (count == 1) return fold_sum(parts[0]);
    else {
      vec<T, N> half[count / 2];
#pragma clang loop unroll(full)
      for (int k = 0; k < count / 2; ++k) half[k] = parts[k] + parts[k + count / 2];
      return folded<count / 2>(half);
    }
  }
  template <class M, class V> [[gnu::always_inline]] void take(M m, int, V v) {
    const vec<T, N> next = where(m, part[0] + v, part[0]);
#pragma clang loop unroll(full)
    for (int k = 1; k < P / N; ++k) part[k - 1] = part[k];
    part[P / N - 1] = next;
  }
  [[gnu::always_inline]] T result() const {
    return folded<P / N>(part);
  }
};

/// What elements are compared as: floats as integers in their order, every NaN above all; truth values as 0 and 1.
//# order_key: types element_of order_f32 order_f64 nan_f32 nan_f64
template <class V> KROTON_INLINE auto order_key(V x) {
  if constexpr (__is_same(element_of<V>, f32)) return order_f32(x == x ? x : V(nan_f32()));
  else if constexpr (__is_same(element_of<V>, f64)) return order_f64(x == x ? x : V(nan_f64()));
  else if constexpr (__is_same(element_of<V>, bool)) return convert<u8>(x);
  else return x;
}

//# from_order_key: types from_order_f32 from_order_f64
template <class T, class K> KROTON_INLINE T from_order_key(K key) {
  if constexpr (__is_same(T, f32)) return from_order_f32(key);
  else if constexpr (__is_same(T, f64)) return from_order_f64(key);
  else return key;
}

/// `lowest` is what comes out where nothing is taken.
//# maxima: vec where order_key fold_max fold_any masked from_order_key
template <class T, int N, int U> struct maxima {
  decltype(order_key(vec<T, N>())) part[U];
  explicit maxima(T lowest) {
    for (auto& p : part) p = order_key(vec<T, N>(lowest));
  }
  template <class M, class V> [[gnu::always_inline]] void take(M m, int k, V v) {
    const auto key = order_key(vec<T, N>(v));
    part[k] = where(m, key > part[k] ? key : part[k], part[k]);
  }
  [[gnu::always_inline]] T result() const {
    auto all = part[0];
    for (int k = 1; k < U; ++k) all = part[k] > all ? part[k] : all;
    return from_order_key<T>(fold_max(all));
  }
};
template <int N, int U> struct maxima<bool, N, U> {
  vec<bool, N> part[U];
  explicit maxima(bool) {
    for (auto& p : part) p = (vec<bool, N>)false;
  }
  template <class M, class V> [[gnu::always_inline]] void take(M m, int k, V v) {
    part[k] = part[k] | masked(m, vec<bool, N>(v));
  }
  [[gnu::always_inline]] bool result() const {
    auto all = part[0];
    for (int k = 1; k < U; ++k) all = all | part[k];
    return fold_any(all);
  }
};

/// What reverses the order.
//# mirrored: types element_of
template <class V> KROTON_INLINE V mirrored(V v) {
  if constexpr (__is_same(element_of<V>, bool)) return !v;
  else if constexpr (__is_floating_point(element_of<V>)) return -v;
  else return ~v;
}

//# minima: maxima mirrored
template <class T, int N, int U> struct minima {
  maxima<T, N, U> below;
  explicit minima(T highest) : below(mirrored(highest)) {}
  template <class M, class V> [[gnu::always_inline]] void take(M m, int k, V v) { below.take(m, k, mirrored(v)); }
  [[gnu::always_inline]] T result() const { return mirrored(below.result()); }
};

/// The largest and the first position that has it; zeros are equal, and a NaN is larger than any number.
//# first_maxima: types vec masked mask_of select order_key fold_max fold_min from_order_key
template <class T, int N, int U> struct first_maxima {
  decltype(order_key(vec<T, N>())) best[U];
  vec<i64, N> at[U] = {};
  explicit first_maxima(T lowest) {
    for (auto& b : best) b = order_key(vec<T, N>(lowest));
  }
  template <class M, class V> [[gnu::always_inline]] void take(M m, int k, V v, vec<i64, N> position) {
    vec<T, N> x = v;
    if constexpr (__is_floating_point(T)) x += T(0); // -0 becomes +0
    const auto key = order_key(x);
    const auto is_better = masked(m, mask_of(key > best[k]));
    best[k] = select(is_better, key, best[k]);
    at[k] = select(is_better, position, at[k]);
  }
  [[gnu::always_inline]] auto top() const {
    auto all = best[0];
    for (int k = 1; k < U; ++k) all = best[k] > all ? best[k] : all;
    return fold_max(all);
  }
  [[gnu::always_inline]] T result() const { return from_order_key<T>(top()); }
  [[gnu::always_inline]] i64 position() const {
    vec<i64, N> first = 0x7fffffffffffffffl;
    for (int k = 0; k < U; ++k) {
      const auto here = select(mask_of(best[k] == top()), at[k], first);
      first = here < first ? here : first;
    }
    return fold_min(first);
  }
};

//# first_minima: types vec first_maxima mirrored
template <class T, int N, int U> struct first_minima {
  first_maxima<T, N, U> below;
  explicit first_minima(T highest) : below(mirrored(highest)) {}
  template <class M, class V> [[gnu::always_inline]] void take(M m, int k, V v, vec<i64, N> position) {
    below.take(m, k, mirrored(v), position);
  }
  [[gnu::always_inline]] T result() const { return mirrored(below.result()); }
  [[gnu::always_inline]] i64 position() const { return below.position(); }
};

/// x / d for many x and one d: x times the reciprocal of d, corrected by what is left of x (Markstein: Computation of
/// elementary functions on the IBM RISC System/6000 processor, 1990). The division's result bit for bit, but for
/// an x or a quotient within 2^26 (f32) or 2^60 (f64) of the smallest or the largest normal number: what is left
/// is rounded there, and a result may be off by its last place. Compilers take what depends on d alone
/// out of the loop.
//# divided: types vec bits_f32 bits_f64 infinity_f64
template <class T, int N> KROTON_INLINE vec<T, N> divided(vec<T, N> x, T d) {
#ifdef __FMA__
  // Only a divisor with an exponent far from the ends has a reciprocal with all digits.
  constexpr int exponents = sizeof(T) == 4 ? 255 : 2047;
  i64 exponent;
  if constexpr (sizeof(T) == 4) exponent = bits_f32(d) >> 23 & exponents;
  else exponent = bits_f64(d) >> 52 & exponents;
  if (exponent > exponents / 8 && exponent < exponents - exponents / 8) {
    const T inverse = T(1) / d;
    const vec<T, N> q = x * inverse;
    const vec<T, N> left = __builtin_elementwise_fma(-q, vec<T, N>(d), x);
    const vec<T, N> better = __builtin_elementwise_fma(left, vec<T, N>(inverse), q);
    // Zeros keep their sign, and infinities have nothing to correct.
    const vec<T, N> size = __builtin_elementwise_abs(left);
    return size > T(0) && size < T(infinity_f64()) ? better : q;
  }
#endif
  return x / d;
}
