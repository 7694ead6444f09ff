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

/// Whether all other blocks of the launch have come here before this one, which then sees what they stored. The counter
/// is 0 before the launch and after it.
//# is_last_block: types
KROTON_INLINE bool is_last_block(u32* counter) {
  __shared__ bool is_last;
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    is_last = atomicAdd(counter, 1u) == gridDim.x - 1;
    if (is_last) *counter = 0;
    __threadfence();
  }
  __syncthreads();
  return is_last;
}

/// Gives each of `size` lanes, neighbours from a multiple of it on, what all of them have, folded.
//# folded_by_lanes: types shuffled
template <class V, class Op> KROTON_INLINE V folded_by_lanes(u32 lanes, i32 size, V x, Op op) {
#pragma unroll
  for (i32 bit = 1; bit < 32; bit *= 2)
    if (bit < size) x = op(x, shuffled(lanes, x, bit));
  return x;
}

/// Gives thread r < size of a block of 256 what its threads have whose number is r more than a multiple of `size`, folded;
/// a power of two up to 32.
//# folded_across: types shuffled workspace
template <class V, class Op> KROTON_INLINE V folded_across(i32 size, V x, Op op) {
#pragma unroll
  for (i32 bit = 1; bit < 32; bit *= 2)
    if (bit >= size) x = op(x, shuffled(0xffffffffu, x, bit));
  V* const of_thread = workspace<V>();
  of_thread[threadIdx.x] = x;
  __syncthreads();
  if (threadIdx.x < 32)
    for (i32 other = (i32)threadIdx.x + 32; other < 256; other += 32) x = op(x, of_thread[other]);
  __syncthreads();
  return x;
}

/// The lanes of a warp that lane x shares a team of `size` with.
//# lanes_beside: types
KROTON_INLINE u32 lanes_beside(u32 x, i32 size) { return (0xffffffffu >> (32 - size)) << (x % 32 & ~(u32)(size - 1)); }

/// T threads that walk a row together: a part of a warp in blocks of 256, or a whole block of more than a warp. T is a
/// power of two.
//# team: types shuffled workspace folded_by_lanes folded_across lanes_beside
template <i32 T> struct team {
  static constexpr i32 size = T;
  static constexpr i32 threads = T <= 32 ? 256 : T; // of a block
  using block = team<threads>;
  KROTON_INLINE i32 rank() { return (i32)threadIdx.x % T; }
  KROTON_INLINE i64 first_row() { return (i64)blockIdx.x * (threads / T) + threadIdx.x / T; }
  KROTON_INLINE i64 row_step() { return (i64)gridDim.x * (threads / T); }
  KROTON_INLINE void sync() {
    if constexpr (T <= 32)
      __syncwarp(lanes_beside(threadIdx.x, T));
    else
      __syncthreads();
  }

  /// Gives every thread of the team what all of them have, folded.
  template <class V, class Op> KROTON_INLINE V fold(V x, Op op) {
    if constexpr (T <= 32) {
      return folded_by_lanes(lanes_beside(threadIdx.x, T), T, x, op);
    } else {
      x = folded_by_lanes(0xffffffffu, 32, x, op);
      V* const of_warp = workspace<V>();
      if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = x;
      __syncthreads();
      x = of_warp[threadIdx.x % (T / 32)];
      __syncthreads();
      return folded_by_lanes(0xffffffffu, T / 32, x, op);
    }
  }

  /// Gives thread r < T of the block what its threads of rank r have, folded. Of teams that are blocks there is one.
  template <class V, class Op> KROTON_INLINE V across(V x, Op op) {
    if constexpr (T <= 32)
      return folded_across(T, x, op);
    else
      return x;
  }
};

/// A team in blocks of 256 whose size follows from a row's length: as many lanes of a warp as have `share` elements of it,
/// but a power of two and not more than 32. Where the size is known it does what team<size> does.
//# fitting_team: types folded_by_lanes folded_across lanes_beside team
struct fitting_team {
  using block = team<256>;
  i32 size = 1;
  __device__ __forceinline__ fitting_team(i64 length, i32 share) {
#pragma unroll
    for (i32 lanes = 1; lanes < 32; lanes *= 2)
      if (lanes * share < length) size = 2 * lanes;
  }
  __device__ __forceinline__ i32 rank() const { return (i32)threadIdx.x & (size - 1); }
  /// Rows that a block has at a time, and which of them is the team's.
  __device__ __forceinline__ i32 rows() const { return 256 / size; }
  __device__ __forceinline__ i32 row() const { return (i32)threadIdx.x / size; }
  __device__ __forceinline__ i64 first_row() const { return (i64)blockIdx.x * rows() + row(); }
  __device__ __forceinline__ i64 row_step() const { return (i64)gridDim.x * rows(); }
  __device__ __forceinline__ void sync() const { __syncwarp(lanes_beside(threadIdx.x, size)); }
  template <class V, class Op> __device__ __forceinline__ V fold(V x, Op op) const {
    return folded_by_lanes(lanes_beside(threadIdx.x, size), size, x, op);
  }
  template <class V, class Op> __device__ __forceinline__ V across(V x, Op op) const { return folded_across(size, x, op); }
};

/// Calls body(i, m, e) for the E elements of a thread among those of a row from `from` on, a team's size apart; n is the
/// row's length, and m says that i is within it.
//# each: types
template <i32 E, class Team, class Body> KROTON_INLINE void each(Team t, i64 from, i64 n, Body body) {
  const i32 rank = t.rank(), count = n - from < t.size * E ? (i32)(n - from) : t.size * E;
  const i64 first = from + rank;
#pragma unroll
  for (i32 e = 0; e < E; ++e) body(first + e * t.size, rank < count - e * t.size, e);
}

/// How far a team comes in a row until each of its threads has added up 128 elements: what sums of f32 have in f32.
//# stretch_of: types
template <class Team> KROTON_INLINE i64 stretch_of(Team t) { return 128 * t.size; }

/// The same for a stretch of a row from `from` on, E elements of each thread at a time.
//# each_of_stretch: types each stretch_of
template <i32 E, class Team, class Body> KROTON_INLINE void each_of_stretch(Team t, i64 from, i64 n, Body body) {
  const i64 end = n - from < stretch_of(t) ? n : from + stretch_of(t);
#pragma unroll 1
  for (; from < end; from += t.size * E) each<E>(t, from, n, body);
}

/// What the threads of a team keep of a row from one stage to the next: the first E elements of each in registers, those
/// that remain, from the row's element `first` on, in shared memory, where a thread has places of its own.
//# kept: types
template <class T, i32 E> struct kept {
  T* others;
  i64 first;
  T own[E];
  __device__ __forceinline__ T& at(i64 i, i32 e) { return e < E ? own[e] : others[i - first]; }
};

/// Calls body(i, m, e) for a thread's elements of a row of n: E of them, and then, M at a time, the others, with e = E.
//# each_of_row: types each
template <i32 E, i32 M, class Team, class Body> KROTON_INLINE void each_of_row(Team t, i64 n, Body body) {
  each<E>(t, 0, n, body);
  if constexpr (M > 0)
    for (i64 from = t.size * E; from < n; from += t.size * M)
      each<M>(t, from, n, [&](i64 i, bool m, i32) { body(i, m, E); });
}
