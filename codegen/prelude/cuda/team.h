// Threads that work together. What they fold is folded in an order that only their number decides.

/// What the lane has whose number differs in the bit `bit`; `lanes` are those that ask.
//# shuffled: types
template <class T> KROTON_INLINE T shuffled(u32 lanes, T x, i32 bit) {
  if constexpr (sizeof(T) < 4)
    return (T)__shfl_xor_sync(lanes, (i32)x, bit);
  else
    return __shfl_xor_sync(lanes, x, bit);
}

/// A value and the position that it was found at.
//# ranked: types shuffled
template <class T> struct ranked {
  T value;
  i64 at;
};
template <class T> KROTON_INLINE ranked<T> shuffled(u32 lanes, ranked<T> x, i32 bit) {
  return {shuffled(lanes, x.value, bit), shuffled(lanes, x.at, bit)};
}

/// Of two ranked values the better one, or that found first if neither is; better(a, b) says that b is.
//# first_of: types ranked
template <class Better> KROTON_INLINE auto first_of(Better better) {
  return [better](auto a, auto b) {
    const bool takes = better(a.value, b.value) || (!better(b.value, a.value) && b.at < a.at);
    return takes ? b : a;
  };
}

//# shared_words: types
template <i32 N> KROTON_INLINE u64* shared_words() {
  __shared__ u64 words[N];
  return words;
}

/// Shared memory for 256 values, which every function may use between two barriers.
//# workspace: types shared_words
template <class V> KROTON_INLINE V* workspace() {
  static_assert(sizeof(V) <= 16);
  return (V*)shared_words<512>();
}

/// T threads that walk a row together: a part of a warp in blocks of 256, or a whole block of more than a warp. T is a
/// power of two.
//# team: types shuffled workspace
template <i32 T> struct team {
  static constexpr i32 size = T;
  static constexpr i32 threads = T <= 32 ? 256 : T; // of a block
  KROTON_INLINE i32 rank() { return (i32)threadIdx.x % T; }
  KROTON_INLINE i64 first_row() { return (i64)blockIdx.x * (threads / T) + threadIdx.x / T; }
  KROTON_INLINE i64 row_step() { return (i64)gridDim.x * (threads / T); }
  KROTON_INLINE u32 lanes() {
    if constexpr (T < 32)
      return ((1u << T) - 1) << (threadIdx.x % 32 / T * T);
    else
      return 0xffffffffu;
  }
  KROTON_INLINE void sync() {
    if constexpr (T <= 32)
      __syncwarp(lanes());
    else
      __syncthreads();
  }

  /// Gives every thread of the team what all of them have, folded.
  template <class V, class Op> KROTON_INLINE V fold(V x, Op op) {
#pragma unroll
    for (i32 bit = 1; bit < T && bit < 32; bit *= 2) x = op(x, shuffled(lanes(), x, bit));
    if constexpr (T > 32) {
      V* const of_warp = workspace<V>();
      if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = x;
      __syncthreads();
      x = of_warp[threadIdx.x % (T / 32)];
      __syncthreads();
#pragma unroll
      for (i32 bit = 1; bit < T / 32; bit *= 2) x = op(x, shuffled(0xffffffffu, x, bit));
    }
    return x;
  }

  /// Gives thread r < T of the block what its threads of rank r have, folded. Of teams that are blocks there is one.
  template <class V, class Op> KROTON_INLINE V across(V x, Op op) {
    if constexpr (T <= 32) {
#pragma unroll
      for (i32 bit = T; bit < 32; bit *= 2) x = op(x, shuffled(0xffffffffu, x, bit));
      V* const of_thread = workspace<V>();
      of_thread[threadIdx.x] = x;
      __syncthreads();
      if (threadIdx.x < 32)
        for (i32 other = (i32)threadIdx.x + 32; other < threads; other += 32) x = op(x, of_thread[other]);
      __syncthreads();
    }
    return x;
  }
};

/// Calls body(i, m, e) for the E elements of a thread among those of a row from `from` on, T apart; n is the row's
/// length, and m says that i lies within it.
//# each: types
template <class Team, i32 E, class Body> KROTON_INLINE void each(i64 from, i64 n, Body body) {
  const i32 rank = Team::rank(), count = n - from < Team::size * E ? (i32)(n - from) : Team::size * E;
  const i64 first = from + rank;
#pragma unroll
  for (i32 e = 0; e < E; ++e) body(first + e * Team::size, rank < count - e * Team::size, e);
}

/// What the threads of a team keep of a row from one stage to the next: the first E elements of each in registers, those
/// that remain in shared memory, where a thread has places of its own.
//# kept: types
template <class T, class Team, i32 E> struct kept {
  T* others;
  T own[E];
  __device__ __forceinline__ T& at(i64 i, i32 e) { return e < E ? own[e] : others[i - E * Team::size]; }
};

/// Calls body(i, m, e) for a thread's elements of a row of n: E of them, and then, M at a time, the others, with e = E.
//# each_of_row: types each
template <class Team, i32 E, i32 M, class Body> KROTON_INLINE void each_of_row(i64 n, Body body) {
  each<Team, E>(0, n, body);
  if constexpr (M > 0)
    for (i64 from = Team::size * E; from < n; from += Team::size * M)
      each<Team, M>(from, n, [&](i64 i, bool m, i32) { body(i, m, E); });
}
