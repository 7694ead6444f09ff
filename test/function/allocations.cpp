/// An executable's own malloc takes the place of the C library's everywhere; these count and hand
/// on to glibc's, which stays reachable under other names. operator new ends in malloc. Sanitizers
/// have a malloc of their own in that place.
#include "test/function/allocations.hpp"

#include <cerrno>
#include <cstddef>

namespace {
thread_local std::uint64_t count = 0;
}

std::uint64_t kroton::test::allocation_count() { return count; }

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" {

void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) {
  ++count;
  return __libc_malloc(bytes);
}
void* calloc(std::size_t n, std::size_t bytes) {
  ++count;
  return __libc_calloc(n, bytes);
}
void* realloc(void* p, std::size_t bytes) {
  ++count;
  return __libc_realloc(p, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  ++count;
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  ++count;
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t bytes) {
  ++count;
  void* made = __libc_memalign(alignment, bytes);
  if (!made) return ENOMEM;
  *p = made;
  return 0;
}

} // extern "C"
#endif
