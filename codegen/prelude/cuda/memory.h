// How threads find their elements, and reach memory 16 bytes at a time.

/// a / b of whole numbers, a >= 0 and b > 0: in 32 bits where both have no more, which is several times as fast.
//# whole_quotient: types
KROTON_INLINE i64 whole_quotient(i64 a, i64 b) {
  return (u64)(a | b) >> 32 == 0 ? (i64)((u32)a / (u32)b) : a / b;
}

/// The same for numbers of blocks, and of what they have: 32 bits hold the quotient's operands, or it is 0.
//# block_quotient: types
KROTON_INLINE u32 block_quotient(u32 a, i64 b) { return b > a ? 0 : a / (u32)b; }

/// The first position out of range that a thread met: what the host reads when the kernel is done.
//# Failure: types
struct Failure {
  i32 state;
  i32 site;
  i64 value;
  i64 bound;
};

/// The position that `at` stands for on an axis of `bound`; -1, and a report, if there is none.
//# checked: types Failure
KROTON_INLINE i64 checked(Failure* failure, i32 site, i64 at, i64 bound) {
  const i64 position = at < 0 ? at + bound : at;
  if (position >= 0 && position < bound) return position;
  if (atomicCAS(&failure->state, 0, 1) == 0) {
    failure->site = site;
    failure->value = at;
    failure->bound = bound;
  }
  return -1;
}

/// Hands out arrays, each at a multiple of 256 bytes.
//# arena: types global
struct arena {
  char* next;
  template <class T> __device__ __forceinline__ T* take(i64 count) {
    T* const array = (T*)next;
    next += (count * (i64)sizeof(T) + 255) / 256 * 256;
    return array;
  }
};

/// N neighbours in an array, held in registers, and read and written in as few accesses as there can be.
//# window: types
template <class T, i32 N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) window {
  T at[N];
  __device__ __forceinline__ T& operator[](i32 k) { return at[k]; }
};

/// The place of the loop's element j where that is j itself.
//# same_place: types
struct same_place {
  __device__ __forceinline__ i64 operator()(i64 j) const { return j; }
};

/// An array that a loop reads or writes window by window; index says which of its elements that at a place is.
//# view: types
template <class T, bool is_read, bool is_written, class Index> struct view {
  T* array;
  Index index;
};

//# read: view same_place
template <class T, class Index = same_place> KROTON_INLINE auto read(const T* array, Index index = {}) {
  return view<const T, true, false, Index>{array, index};
}

//# written: view same_place
template <class T, class Index = same_place> KROTON_INLINE auto written(T* array, Index index = {}) {
  return view<T, false, true, Index>{array, index};
}

//# updated: view same_place
template <class T, class Index = same_place> KROTON_INLINE auto updated(T* array, Index index = {}) {
  return view<T, true, true, Index>{array, index};
}

/// The element of a view that the loop's element j is, at its place.
//# index_of: types view same_place
template <class T, bool r, bool w, class Place> KROTON_INLINE i64 index_of(const view<T, r, w, same_place>&, i64 j, Place) {
  return j;
}
template <class T, bool r, bool w, class Index, class Place>
KROTON_INLINE i64 index_of(const view<T, r, w, Index>& v, i64, Place place) {
  return v.index(place);
}

/// The window of N elements of a view that begins at the loop's element j.
//# opened: types window view index_of
template <i32 N, class T, bool is_written, class Index, class Place>
KROTON_INLINE window<T, N> opened(const view<const T, true, is_written, Index>& v, i64 j, Place place) {
  return *(const window<T, N>*)(v.array + index_of(v, j, place));
}
template <i32 N, class T, class Index, class Place>
KROTON_INLINE window<T, N> opened(const view<T, true, true, Index>& v, i64 j, Place place) {
  return *(const window<T, N>*)(v.array + index_of(v, j, place));
}
template <i32 N, class T, class Index, class Place>
KROTON_INLINE window<T, N> opened(const view<T, false, true, Index>&, i64, Place) {
  return {};
}

//# closed: types window view index_of
template <i32 N, class T, bool is_read, class Index, class Place>
KROTON_INLINE void closed(const view<T, is_read, true, Index>& v, i64 j, Place place, const window<T, N>& w) {
  *(window<T, N>*)(v.array + index_of(v, j, place)) = w;
}
template <i32 N, class T, class Index, class Place>
KROTON_INLINE void closed(const view<const T, true, false, Index>&, i64, Place, const window<T, N>&) {}

/// Whether windows of N elements are where one access can reach them.
//# is_aligned: types window view
template <i32 N, class T, bool is_read, bool is_written, class Index>
KROTON_INLINE bool is_aligned(const view<T, is_read, is_written, Index>& v) {
  return (u64)v.array % alignof(window<T, N>) == 0;
}

/// Holds windows until they are used: held(windows…)(use) calls use(windows…).
//# held: types
template <class... Windows> KROTON_INLINE auto held(Windows... windows) {
  return [windows...](auto use) mutable { use(windows...); };
}

/// What computes the N elements of windows that begin at the loop's element j, and writes them back.
//# computing: types closed
template <i32 N, class Place, class Element, class... Views>
KROTON_INLINE auto computing(i64 j, Place place, const Element& element, const Views&... views) {
  return [&, j, place](auto&... windows) {
#pragma unroll
    for (i32 k = 0; k < N; ++k) element(place, k, windows...);
    (closed(views, j, place, windows), ...);
  };
}

/// Calls element(place, k, windows…) for the elements 0, …, n - 1: `place` is place_of(j) for the element j that the
/// windows begin with, and k the number of an element in them. All threads of all blocks of 256 share the work; each has
/// up to U windows of every view under way. `fits` says that no window would reach over the end of a row; where that, or
/// an address, forbids windows of N elements they have one.
//# in_windows: types opened held computing is_aligned
template <i32 N, i32 U, class Place, class Element, class... Views>
KROTON_INLINE void in_windows(i64 n, bool fits, Place place_of, Element element, Views... views) {
  constexpr i64 threads = 256;
  const i64 whole = fits && (is_aligned<N>(views) && ...) ? n / N : 0;
  i64 w = blockIdx.x * (threads * U) + threadIdx.x;
#pragma unroll 1
  for (; w + (U - 1) * threads < whole; w += gridDim.x * (threads * U)) {
    const i64 j = w * N;
    const auto place = place_of(j);
    auto first = held(opened<N>(views, j, place)...);
    if constexpr (U == 2) {
      const i64 next = (w + threads) * N;
      const auto next_place = place_of(next);
      auto second = held(opened<N>(views, next, next_place)...);
      first(computing<N>(j, place, element, views...));
      second(computing<N>(next, next_place, element, views...));
    } else {
      first(computing<N>(j, place, element, views...));
    }
  }
  if (U == 2 && w < whole) {
    const auto place = place_of(w * N);
    held(opened<N>(views, w * N, place)...)(computing<N>(w * N, place, element, views...));
  }
#pragma unroll 1
  for (i64 j = whole * N + blockIdx.x * threads + threadIdx.x; j < n; j += gridDim.x * threads) {
    const auto place = place_of(j);
    held(opened<1>(views, j, place)...)(computing<1>(j, place, element, views...));
  }
}

/// The same where elements are folded, so that which of them a thread has, and in which order, follows from n alone:
/// windows of four, and in each turn two of them, 1024 elements apart. With N = 4 they are read at once where that can be,
/// U of a turn's two under way.
//# in_fixed_windows: types opened held computing is_aligned
template <i32 N, i32 U, class Place, class Element, class... Views>
KROTON_INLINE void in_fixed_windows(i64 n, bool fits, Place place_of, Element element, Views... views) {
  constexpr i64 threads = 256, width = 4;
  const i64 whole = n / width, step = gridDim.x * (threads * 2);
  const auto one = [&](i64 j) {
    const auto place = place_of(j);
    held(opened<1>(views, j, place)...)(computing<1>(j, place, element, views...));
  };
  const auto four = [&](i64 j) {
    const auto place = place_of(j);
    held(opened<N>(views, j, place)...)(computing<N>(j, place, element, views...));
  };
  i64 w = blockIdx.x * (threads * 2) + threadIdx.x;
  if (N == width && fits && (is_aligned<N>(views) && ...)) {
#pragma unroll 1
    for (; w + threads < whole; w += step) {
      const i64 j = w * width, next = (w + threads) * width;
      if constexpr (U == 2) {
        const auto place = place_of(j), next_place = place_of(next);
        auto first = held(opened<N>(views, j, place)...);
        auto second = held(opened<N>(views, next, next_place)...);
        first(computing<N>(j, place, element, views...));
        second(computing<N>(next, next_place, element, views...));
      } else {
#pragma unroll 1
        for (i64 i = j; i <= next; i += next - j) four(i);
      }
    }
    if (w < whole) four(w * width);
  } else {
#pragma unroll 1
    for (; w < whole; w += step)
#pragma unroll 1
      for (i64 e = 0; e < 2 * width; ++e) {
        const i64 at = w + e / width * threads;
        if (at < whole) one(at * width + e % width);
      }
  }
  const i64 rest = whole * width + blockIdx.x * threads + threadIdx.x;
  if (rest < n) one(rest);
}

/// A bool that the type of an argument says.
//# constant: types
template <bool b> struct constant {
  static constexpr bool value = b;
};

/// An element that another program may have written: of a bool, any byte but 0 is true.
//# loaded: types truth
template <class T> KROTON_INLINE T loaded(const T& element) { return element; }
KROTON_INLINE bool loaded(const bool& element) { return truth(element); }

/// The N elements at `at`; of them, `left` are left of a row, and what is beyond its end is 0. With is_wide that is
/// a multiple of N, and they are read in as few accesses as there can be.
//# neighbours: types window loaded
template <bool is_wide, i32 N, class T> KROTON_INLINE window<T, N> neighbours(const T* at, i64 left) {
  window<T, N> found = {};
  if constexpr (is_wide) {
    if (left > 0) found = *(const window<T, N>*)at;
  } else {
#pragma unroll
    for (i32 e = 0; e < N; ++e)
      if (e < left) found.at[e] = loaded(at[e]);
  }
  return found;
}

/// Calls body(i, m, e) for E neighbours of a row of n from element `from` on; m says that i is within it.
//# each_neighbour: types
template <i32 E, class Body> KROTON_INLINE void each_neighbour(i64 from, i64 n, Body body) {
#pragma unroll
  for (i32 e = 0; e < E; ++e) body(from + e, from + e < n, e);
}
