#pragma once
/// Locks that are free in the child of a fork, whatever other threads of the parent were doing.
///
///   ForkMutex mutex;      // for microseconds: a fork waits until nobody holds one of these, so
///   ProcessMutex making;  // what they guard is whole in the child. For as long as it takes: a
///                         // child finds it free, and what was begun under it was never begun
///
///   const ForkHandler forgets_pool({.in_child = [] { pool = nullptr; }});
///
/// What is made under a ProcessMutex is put in place under a ForkMutex, or by one atomic store. A
/// std::mutex, std::call_once and the like are for objects that a child does not touch.
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace kroton::support {

namespace detail {
extern std::atomic<std::uint32_t> fork_generation;
}

/// How many forks are between this process and the first one that loaded Kroton, counted from 1.
inline std::uint32_t fork_generation() noexcept {
  return detail::fork_generation.load(std::memory_order_relaxed);
}

/// What is to be done around each fork, by the thread that forks.
struct ForkSteps {
  void (*before)() = nullptr;    ///< while other threads still lock and unlock ForkMutexes
  void (*in_parent)() = nullptr; ///< afterwards
  void (*in_child)() = nullptr;
};

/// Registers steps for the rest of the process, in no particular order. For static objects at
/// namespace scope, so that the steps are known before what they look after is used: a handler that
/// is given to pthread_atfork while another thread is inside `fork` is not run in that child.
class ForkHandler {
public:
  explicit ForkHandler(ForkSteps steps) noexcept;
  ForkHandler(const ForkHandler&) = delete;
  ForkHandler& operator=(const ForkHandler&) = delete;

  /// Of all handlers, which are never removed.
  static void run(void (*ForkSteps::*step)()) noexcept;

private:
  ForkSteps steps_;
  const ForkHandler* next_;
};

/// What a fork waits for: threads that are inside one of these. A thread may be inside several. Not
/// for what takes long, since other threads that want to come in wait for the fork.
class ForkBlocker {
public:
  ForkBlocker() noexcept;
  ForkBlocker(const ForkBlocker&) = delete;
  ForkBlocker& operator=(const ForkBlocker&) = delete;
  ~ForkBlocker();
};

/// A mutex for short work, which a fork never catches locked. May be made, locked and destroyed
/// while others are locked.
class ForkMutex {
public:
  ForkMutex() = default;
  ForkMutex(const ForkMutex&) = delete;
  ForkMutex& operator=(const ForkMutex&) = delete;

  void lock();
  bool try_lock();
  void unlock();

private:
  std::mutex mutex_;
};

/// A value that is made when first asked for. Threads that ask at once may each make it; the first
/// one's is kept. Nobody waits for another's making, so unlike std::call_once no fork leaves a
/// child waiting for a thread that it does not have.
template <class T> class ForkLazy {
public:
  template <class F> const T& get(F make) {
    {
      const std::lock_guard lock(mutex_);
      if (value_) return *value_;
    }
    T made = make();
    const std::lock_guard lock(mutex_);
    if (!value_) value_.emplace(std::move(made));
    return *value_;
  }

private:
  ForkMutex mutex_;
  std::optional<T> value_;
};

/// A mutex for long work, such as compiling. A fork does not wait for it; in the child it is free.
/// As with std::mutex, a thread must not lock it twice.
class ProcessMutex {
public:
  ProcessMutex() = default;
  ProcessMutex(const ProcessMutex&) = delete;
  ProcessMutex& operator=(const ProcessMutex&) = delete;

  void lock() noexcept {
    Word seen = free;
    if (!word_.compare_exchange_strong(seen, held_here(), std::memory_order_acquire,
                                       std::memory_order_relaxed)) [[unlikely]]
      wait_to_lock(seen);
  }
  void unlock() noexcept {
    if (word_.exchange(free, std::memory_order_release) & is_awaited) [[unlikely]]
      word_.notify_all();
  }

private:
  using Word = std::uint32_t;
  /// Else the process that holds it, and whether threads may wait for it.
  static constexpr Word free = 0, is_awaited = 1;

  static Word held_here() noexcept { return fork_generation() << 1; }
  void wait_to_lock(Word seen) noexcept;

  std::atomic<Word> word_{free};
};

} // namespace kroton::support
