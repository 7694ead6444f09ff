// Stores past the caches.

/// Copies a block to memory that nobody reads soon. Whole cache lines are written without being
/// fetched first; what lies before and after them is written plainly.
//# stream_of: types
template <class T> KROTON_INLINE void stream_of(T* to, const T* from, i64 n) {
#ifdef __clang__
  constexpr i64 line = 64 / sizeof(T);
  using whole = T __attribute__((ext_vector_type(64 / sizeof(T))));
  i64 i = 0;
  for (; i < n && ((u64)(to + i) & 63) != 0; ++i) to[i] = from[i];
  for (; i + line <= n; i += line) {
    whole v;
    __builtin_memcpy(&v, from + i, 64); // `from` may lie anywhere
    __builtin_nontemporal_store(v, (whole*)(to + i));
  }
  for (; i < n; ++i) to[i] = from[i];
#else
  for (i64 i = 0; i < n; ++i) to[i] = from[i];
#endif
}

/// Makes what stream_of wrote visible before anything that follows.
//# stream_end: types
KROTON_INLINE void stream_end() {
#ifdef __clang__
  __builtin_ia32_sfence();
#endif
}
