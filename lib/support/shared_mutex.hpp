#pragma once
/// A lock for many readers or one writer that is one word, and costs one atomic operation to take
/// and one to give back as long as nobody waits for it. Threads that wait sleep.
///
///   mutable support::SharedMutex mutex;
///   const std::shared_lock reading(mutex);            // or std::unique_lock writing(mutex);
///
/// As with std::shared_mutex, a thread must not take it twice. Readers do not queue behind a writer
/// that waits.
#include <atomic>
#include <cstdint>

namespace kroton::support {

class SharedMutex {
public:
  SharedMutex() = default;
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;

  void lock() noexcept {
    Word seen = free;
    if (!word_.compare_exchange_strong(seen, writer, std::memory_order_acquire,
                                       std::memory_order_relaxed)) [[unlikely]]
      wait_to_lock();
  }
  void unlock() noexcept {
    if (word_.exchange(free, std::memory_order_release) & waiters) [[unlikely]]
      word_.notify_all();
  }
  void lock_shared() noexcept {
    Word seen = word_.load(std::memory_order_relaxed);
    if ((seen & writer) || !word_.compare_exchange_strong(seen, seen + 1, std::memory_order_acquire,
                                                          std::memory_order_relaxed)) [[unlikely]]
      wait_to_lock_shared();
  }
  /// False if a writer has it.
  bool try_lock_shared() noexcept {
    Word seen = word_.load(std::memory_order_relaxed);
    while (!(seen & writer))
      if (word_.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire,
                                      std::memory_order_relaxed))
        return true;
    return false;
  }
  void unlock_shared() noexcept {
    Word seen = word_.load(std::memory_order_relaxed);
    while (!word_.compare_exchange_weak(seen, seen == last_awaited ? free : seen - 1,
                                        std::memory_order_release, std::memory_order_relaxed)) {
    }
    if (seen == last_awaited) [[unlikely]]
      word_.notify_all();
  }

  /// In the child of a fork, where the threads that have it are not: frees it. Whether one of them
  /// was a writer.
  bool free_in_child() noexcept { return word_.exchange(free, std::memory_order_relaxed) & writer; }

private:
  using Word = std::uint32_t;
  /// The number of readers in the lower bits, or the mark of a writer; and whether threads may wait
  /// for one of them.
  static constexpr Word free = 0, writer = Word{1} << 31, waiters = Word{1} << 30,
                        last_awaited = waiters | 1;

  void wait_to_lock() noexcept;
  void wait_to_lock_shared() noexcept;
  void wait_while_it_is(Word seen) noexcept;

  std::atomic<Word> word_{free};
};

} // namespace kroton::support
