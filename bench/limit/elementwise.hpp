#pragma once
/// One pass over two arrays, for the hand-written cases that memory bounds. Results larger than
/// the caches are stored past them, which saves reading what is about to be overwritten.
///
///   elementwise(n, x, y, z, [](auto a, auto b) { return a + b; });    // of `Bytes` each

namespace bench {

constexpr long streamed_bytes = 16 << 20;

template <int Bytes = 64, class T, class Map>
[[gnu::always_inline]] inline void elementwise(long n, const T* x, const T* y, T* z, Map map) {
  constexpr long lanes = Bytes / sizeof(T);
  using vec = T __attribute__((ext_vector_type(lanes), aligned(64)));
  const auto at = [&](long i) { return map(*(const vec*)(x + i), *(const vec*)(y + i)); };
  const long whole = n / lanes * lanes;
  if (n * long(sizeof(T)) >= streamed_bytes) {
    for (long i = 0; i < whole; i += lanes) __builtin_nontemporal_store(at(i), (vec*)(z + i));
    __builtin_ia32_sfence();
  } else {
#pragma clang loop unroll_count(256 / Bytes)
    for (long i = 0; i < whole; i += lanes) *(vec*)(z + i) = at(i);
  }
  if (const unsigned long rest = (unsigned long)(n - whole) * sizeof(T)) {
    vec a = T(0), b = T(0);
    __builtin_memcpy(&a, x + whole, rest);
    __builtin_memcpy(&b, y + whole, rest);
    const vec last = map(a, b);
    __builtin_memcpy(z + whole, &last, rest);
  }
}

} // namespace bench
