#include "lib/support/shared_mutex.hpp"

namespace kroton::support {

/// Sleeps until somebody gives the lock back, unless it is another word by now.
void SharedMutex::wait_while_it_is(Word seen) noexcept {
  if ((seen & waiters) ||
      word_.compare_exchange_strong(seen, seen | waiters, std::memory_order_relaxed))
    word_.wait(seen | waiters, std::memory_order_relaxed);
}

void SharedMutex::wait_to_lock() noexcept {
  for (;;) {
    Word seen = word_.load(std::memory_order_relaxed);
    if (seen != free)
      wait_while_it_is(seen);
    else if (word_.compare_exchange_weak(seen, writer, std::memory_order_acquire,
                                         std::memory_order_relaxed))
      return;
  }
}

void SharedMutex::wait_to_lock_shared() noexcept {
  for (;;) {
    Word seen = word_.load(std::memory_order_relaxed);
    if (seen & writer)
      wait_while_it_is(seen);
    else if (word_.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire,
                                         std::memory_order_relaxed))
      return;
  }
}

} // namespace kroton::support
