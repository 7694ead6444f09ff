// Stores past the caches.

/// Writes make(i, m) to to[from], …, to[end - 1], which nobody reads soon: whole vectors without fetching the cache
/// lines first, those that begin or end within a line under a mask.
//# stream_vectors: types vec all_lanes first_lanes store_first
template <int N, class T, class Make> KROTON_INLINE void stream_vectors(T* to, i64 from, i64 end, Make make) {
  constexpr u64 bytes = N * sizeof(T);
  i64 i = from;
  if (const i64 head = (i64)((bytes - (u64)(to + from)) % bytes / sizeof(T)); head > 0) {
    const i64 n = head < end - from ? head : end - from;
    const auto m = first_lanes<N>(n);
    store_first(to + i, m, make(i, m));
    i += n;
  }
#pragma clang loop unroll(disable)
  for (; i + N <= end; i += N)
    [[clang::always_inline]] __builtin_nontemporal_store(make(i, all_lanes<N>{}), (vec<T, N>*)(to + i));
  if (const auto m = first_lanes<N>(end - i); i < end) store_first(to + i, m, make(i, m));
  __builtin_ia32_sfence(); // before anything that follows
}
