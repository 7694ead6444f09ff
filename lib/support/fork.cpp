#include "lib/support/fork.hpp"

#include <array>
#include <thread>

#include <pthread.h>

namespace kroton::support {

std::atomic<std::uint32_t> detail::fork_generation{1};

namespace {

constexpr std::uint32_t places = 16;

/// What a thread knows of itself.
struct Inside {
  int depth = 0;           ///< of ForkBlockers
  std::uint32_t place = 0; ///< where it counts itself, from 1; 0 until it first does
};
thread_local Inside here;

/// Counts the threads that are inside a ForkBlocker, and lets nobody in during a fork. Threads
/// count themselves in different places, so that they do not contend for one cache line.
class Gate {
public:
  void enter() noexcept {
    if (here.depth++ > 0) return;
    std::atomic<std::int32_t>& inside = own_count();
    while (true) {
      // Sequentially consistent, as in `close`: of a thread that comes in and one that closes, one
      // sees the other.
      inside.fetch_add(1);
      if (is_closed_.load() == 0) return;
      inside.fetch_sub(1);
      is_closed_.wait(1);
    }
  }
  void leave() noexcept {
    if (--here.depth == 0) own_count().fetch_sub(1);
  }

  /// Returns when no other thread is inside. The caller is let in, as handlers of the program's may
  /// come between this and the fork.
  void close() noexcept {
    forking_.lock();
    is_closed_.store(1);
    for (Count& c : counts_)
      while (c.inside.load() != count_here(c)) std::this_thread::yield();
    ++here.depth;
  }
  void open() noexcept {
    --here.depth;
    let_in();
  }
  /// In the child, where threads that were just finding the gate closed are not.
  void open_in_child() noexcept {
    --here.depth;
    for (Count& c : counts_) c.inside.store(count_here(c));
    let_in();
  }

private:
  struct alignas(64) Count {
    std::atomic<std::int32_t> inside{0};
  };

  void let_in() noexcept {
    is_closed_.store(0);
    is_closed_.notify_all();
    forking_.unlock();
  }
  /// What the calling thread adds to it.
  std::int32_t count_here(const Count& c) noexcept {
    return here.depth > 0 && &c.inside == &own_count() ? 1 : 0;
  }
  std::atomic<std::int32_t>& own_count() noexcept {
    if (here.place == 0)
      here.place = 1 + next_place_.fetch_add(1, std::memory_order_relaxed) % places;
    return counts_[here.place - 1].inside;
  }

  std::mutex forking_; ///< held from `close` to `open`
  std::atomic<std::uint32_t> is_closed_{0};
  std::atomic<std::uint32_t> next_place_{0};
  std::array<Count, places> counts_;
};

constinit Gate gate;

/// All that Kroton does around a fork; the steps of handlers may take locks.
const int is_registered = ::pthread_atfork(
    [] {
      ForkHandler::run(&ForkSteps::before);
      gate.close();
    },
    [] {
      gate.open();
      ForkHandler::run(&ForkSteps::in_parent);
    },
    [] {
      detail::fork_generation.fetch_add(1);
      gate.open_in_child();
      ForkHandler::run(&ForkSteps::in_child);
    });

/// Initialised before any handler is made.
constinit std::atomic<const ForkHandler*> last_handler{nullptr};

} // namespace

ForkHandler::ForkHandler(ForkSteps steps) noexcept : steps_(steps), next_(last_handler.load()) {
  while (!last_handler.compare_exchange_weak(next_, this)) {
  }
}

void ForkHandler::run(void (*ForkSteps::*step)()) noexcept {
  for (const ForkHandler* h = last_handler.load(); h; h = h->next_)
    if (const auto f = h->steps_.*step) f();
}

ForkBlocker::ForkBlocker() noexcept { gate.enter(); }
ForkBlocker::~ForkBlocker() { gate.leave(); }

void ForkMutex::lock() {
  gate.enter();
  mutex_.lock();
}

bool ForkMutex::try_lock() {
  gate.enter();
  if (mutex_.try_lock()) return true;
  gate.leave();
  return false;
}

void ForkMutex::unlock() {
  mutex_.unlock();
  gate.leave();
}

/// Whoever had to wait cannot tell whether others do, so the lock stays marked.
void ProcessMutex::wait_to_lock(Word seen) noexcept {
  const Word held = held_here();
  while (true) {
    const bool is_free = (seen & ~is_awaited) != held; // of nobody, or of another process
    if (!word_.compare_exchange_strong(seen, held | is_awaited, std::memory_order_acquire))
      continue;
    if (is_free) return;
    word_.wait(held | is_awaited);
    seen = word_.load(std::memory_order_relaxed);
  }
}

} // namespace kroton::support
