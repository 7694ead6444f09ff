// How threads find their elements, and reach memory 16 bytes at a time.

/// a / b of whole numbers, a >= 0 and b > 0: in 32 bits where both have no more, which is several times as fast.
//# whole_quotient: types
KROTON_INLINE i64 whole_quotient(i64 a, i64 b) {
  return (u64)(a | b) >> 32 == 0 ? (i64)((u32)a / (u32)b) : a / b;
}

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

/// An array that a loop reads or writes window by window; the window that begins with the loop's element j lies at
/// place(j).
//# view: types
template <class T, bool is_read, bool is_written, class Place> struct view {
  T* array;
  Place place;
};

/// Where the elements of an array are those of the loop.
//# at_same: types
struct at_same {
  __device__ __forceinline__ i64 operator()(i64 j) const { return j; }
};

//# read: view at_same
template <class T, class Place = at_same> KROTON_INLINE auto read(const T* array, Place place = {}) {
  return view<const T, true, false, Place>{array, place};
}

//# written: view at_same
template <class T, class Place = at_same> KROTON_INLINE auto written(T* array, Place place = {}) {
  return view<T, false, true, Place>{array, place};
}

//# updated: view at_same
template <class T, class Place = at_same> KROTON_INLINE auto updated(T* array, Place place = {}) {
  return view<T, true, true, Place>{array, place};
}

/// The window of N elements of a view that begins at the loop's element j.
//# opened: types window view
template <i32 N, class T, bool is_written, class P>
KROTON_INLINE window<T, N> opened(const view<const T, true, is_written, P>& v, i64 j) {
  return *(const window<T, N>*)(v.array + v.place(j));
}
template <i32 N, class T, class P> KROTON_INLINE window<T, N> opened(const view<T, true, true, P>& v, i64 j) {
  return *(const window<T, N>*)(v.array + v.place(j));
}
template <i32 N, class T, class P> KROTON_INLINE window<T, N> opened(const view<T, false, true, P>&, i64) {
  return {};
}

//# closed: types window view
template <i32 N, class T, bool is_read, class P>
KROTON_INLINE void closed(const view<T, is_read, true, P>& v, i64 j, const window<T, N>& w) {
  *(window<T, N>*)(v.array + v.place(j)) = w;
}
template <i32 N, class T, class P>
KROTON_INLINE void closed(const view<const T, true, false, P>&, i64, const window<T, N>&) {}

/// Whether windows of N elements lie where one access can reach them.
//# is_aligned: types window view
template <i32 N, class T, bool is_read, bool is_written, class P>
KROTON_INLINE bool is_aligned(const view<T, is_read, is_written, P>& v) {
  return (u64)v.array % alignof(window<T, N>) == 0;
}

/// Calls element(j, k, windows…) for j = 0, …, n - 1: element j is number k of the windows. All threads of all blocks
/// share the work; each has up to U windows of every view under way. `fits` says that no window would reach over the
/// end of a row; where that, or an address, forbids windows of N elements they have one.
//# in_windows: types opened closed is_aligned
template <i32 N, i32 U, class Element, class... Views>
KROTON_INLINE void in_windows(i64 n, bool fits, Element element, Views... views) {
  const i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  const i64 threads = (i64)gridDim.x * blockDim.x;
  const auto held = [](auto... windows) {
    return [windows...](auto use) mutable { use(windows...); };
  };
  const i64 whole = fits && (is_aligned<N>(views) && ...) ? n / N : 0;
  for (i64 w = thread; w < whole; w += U * threads) {
    const auto compute = [&](i64 j) {
      return [&, j](auto&... windows) {
#pragma unroll
        for (i32 k = 0; k < N; ++k) element(j + k, k, windows...);
        (closed(views, j, windows), ...);
      };
    };
    auto first = held(opened<N>(views, N * w)...);
    if constexpr (U == 2) {
      const i64 next = w + threads;
      auto second = held(opened<N>(views, N * (next < whole ? next : w))...);
      first(compute(N * w));
      if (next < whole) second(compute(N * next));
    } else {
      first(compute(N * w));
    }
  }
  for (i64 j = whole * N + thread; j < n; j += threads)
    held(opened<1>(views, j)...)([&](auto&... windows) {
      element(j, 0, windows...);
      (closed(views, j, windows), ...);
    });
}
