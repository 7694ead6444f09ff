/// The guards of function-local static objects, in place of the C++ library's for libkroton.so
/// alone. They differ in one thing: in the child of a fork, an object that another thread of the
/// parent was making counts as not made, where the library's would wait for that thread for ever.
/// What the parent's thread had made of it is left behind in memory.
///
/// A guard is eight bytes (Itanium C++ ABI, 3.3.3), of which compiled code reads the first. The
/// first four are used as libstdc++ uses them, since the guard of an inline function's object is
/// one for all shared objects that have the function; the others say in which process it is made.
#include <atomic>
#include <climits>
#include <cstdint>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/support/fork.hpp"

namespace {

constexpr std::uint32_t is_made = 1, is_being_made = 1U << 8, is_awaited = 1U << 16;

struct Guard {
  std::uint32_t state;
  std::uint32_t maker; ///< the fork generation of who makes it; 0 if that is libstdc++
};
static_assert(sizeof(Guard) == sizeof(long long));

std::atomic_ref<std::uint32_t> state_of(long long* guard) {
  return std::atomic_ref(reinterpret_cast<Guard*>(guard)->state);
}
std::atomic_ref<std::uint32_t> maker_of(long long* guard) {
  return std::atomic_ref(reinterpret_cast<Guard*>(guard)->maker);
}

void end_making(long long* guard, std::uint32_t state) noexcept {
  if (state_of(guard).exchange(state) & is_awaited)
    ::syscall(SYS_futex, guard, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

} // namespace

extern "C" {

/// Whether the caller is to make the object.
[[gnu::visibility("hidden")]] int __cxa_guard_acquire(long long* guard) noexcept {
  const auto state = state_of(guard);
  const auto maker = maker_of(guard);
  const std::uint32_t here = kroton::support::fork_generation();
  while (true) {
    std::uint32_t seen = state.load();
    if (seen & is_made) return 0;
    if (seen == 0) {
      // Beforehand, so that no fork finds it being made by nobody. All threads here say the same.
      maker.store(here);
      if (state.compare_exchange_strong(seen, is_being_made)) return 1;
      continue;
    }
    std::uint32_t by = maker.load();
    if (by != 0 && by != here) { // a thread of the parent
      if (maker.compare_exchange_strong(by, here)) return 1;
      continue;
    }
    if (!(seen & is_awaited) && !state.compare_exchange_strong(seen, seen | is_awaited)) continue;
    ::syscall(SYS_futex, guard, FUTEX_WAIT, seen | is_awaited, nullptr, nullptr, 0);
  }
}

[[gnu::visibility("hidden")]] void __cxa_guard_release(long long* guard) noexcept {
  end_making(guard, is_made);
}

/// Making it has thrown.
[[gnu::visibility("hidden")]] void __cxa_guard_abort(long long* guard) noexcept {
  end_making(guard, 0);
}

} // extern "C"
