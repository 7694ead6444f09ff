#include "jit/run/pool.hpp"
#include "jit/compile/cpus.hpp"
#include "lib/support/environment.hpp"
#include "lib/support/fork.hpp"
#include "lib/support/log.hpp"
#include "lib/support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdint>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include <immintrin.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kroton::jit {
namespace {

using Word = std::atomic<std::uint32_t>;
static_assert(sizeof(Word) == 4 && Word::is_always_lock_free);

void futex_wait(Word& word, std::uint32_t seen) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}
void futex_wake(Word& word, int how_many) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, how_many, nullptr, nullptr, 0);
}

/// Looks at `word` for some microseconds, about what a sleep and a wake-up cost, then sleeps,
/// until it no longer holds `seen`. `sleepers` tells the other side whether a wake-up is needed.
void wait_while(Word& word, std::uint32_t seen, Word& sleepers) noexcept {
  constexpr int spins = 300; // of about 40 ns
  for (int i = 0; i < spins; ++i) {
    if (word.load(std::memory_order_acquire) != seen) return;
    _mm_pause();
  }
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (word.load(std::memory_order_seq_cst) == seen) futex_wait(word, seen);
  sleepers.fetch_sub(1, std::memory_order_relaxed);
}

thread_local bool is_inside_body = false;

/// Holds `is_busy` until the end of its scope if nobody else did.
class Claim {
public:
  explicit Claim(std::atomic<bool>& is_busy) noexcept
      : is_busy_(is_busy), is_mine_(!is_busy.exchange(true, std::memory_order_acquire)) {}
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim() {
    if (is_mine_) is_busy_.store(false, std::memory_order_release);
  }
  explicit operator bool() const noexcept { return is_mine_; }

private:
  std::atomic<bool>& is_busy_;
  bool is_mine_;
};

struct InsideBody {
  InsideBody() { is_inside_body = true; }
  ~InsideBody() { is_inside_body = false; }
};

void run_serially(long n, long chunks, ParallelBody body, void* frame) {
  for (long i = 0; i < chunks; ++i) {
    const ChunkRange range = chunk_range(n, chunks, i);
    body(frame, range.begin, range.end, static_cast<int>(i));
  }
}

} // namespace

/// One job at a time. A chunk is claimed by taking one off `ticket`'s low half, and only while its
/// high half still names the job that the thread was woken for; until a claimed chunk is finished
/// the caller does not return, so the job's fields stay still for whoever holds a claim.
struct Pool::State {
  /// Nobody waits for it. Not a mutex: the release would be the last call of `parallel_for`, so
  /// that a tool which intercepts mutexes sees it made by the generated code above, which no
  /// suppression can name.
  std::atomic<bool> is_busy{false};
  std::vector<std::thread> threads;
  bool is_started = false; ///< guarded by `is_busy`, as are the threads

  ParallelBody body = nullptr;
  void* frame = nullptr;
  long n = 0, chunks = 0;

  alignas(64) std::atomic<std::uint64_t> ticket{0}; ///< Job number, chunks not yet claimed.
  alignas(64) Word pending{0};                      ///< Chunks not yet finished.
  Word waiting_caller{0};
  alignas(64) Word job{0}; ///< Changes with each job; workers wait on it.
  Word sleeping_workers{0};
  std::atomic<bool> is_stopping{false};

  /// As many as the system gives; it is asked once.
  void start(int workers) {
    is_started = true;
    try {
      threads.reserve(static_cast<std::size_t>(workers));
    } catch (const std::bad_alloc&) { // a kernel is waiting, through which nothing can be thrown
      return;
    }
    while (static_cast<int>(threads.size()) < workers) {
      std::thread thread = support::try_start_thread([this] { serve(); });
      if (!thread.joinable()) return;
      threads.push_back(std::move(thread));
    }
  }

  void serve() noexcept {
    InsideBody inside;
    std::uint32_t seen = 0;
    while (true) {
      wait_while(job, seen, sleeping_workers);
      seen = job.load(std::memory_order_acquire);
      if (is_stopping.load(std::memory_order_acquire)) return;
      take_chunks(seen);
    }
  }

  void take_chunks(std::uint32_t number) noexcept {
    std::uint64_t now = ticket.load(std::memory_order_acquire);
    while (now >> 32 == number && (now & UINT32_MAX) != 0) {
      if (!ticket.compare_exchange_weak(now, now - 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire))
        continue;
      const long i = chunks - static_cast<long>(now & UINT32_MAX);
      const ChunkRange range = chunk_range(n, chunks, i);
      body(frame, range.begin, range.end, static_cast<int>(i));
      if (pending.fetch_sub(1, std::memory_order_seq_cst) == 1 &&
          waiting_caller.load(std::memory_order_seq_cst) != 0)
        futex_wake(pending, 1);
      now = ticket.load(std::memory_order_acquire);
    }
  }

  void run(long job_n, long job_chunks, ParallelBody job_body, void* job_frame) {
    n = job_n;
    chunks = job_chunks;
    body = job_body;
    frame = job_frame;
    const std::uint32_t number = job.load(std::memory_order_relaxed) + 1;
    pending.store(static_cast<std::uint32_t>(chunks), std::memory_order_relaxed);
    ticket.store(std::uint64_t{number} << 32 | static_cast<std::uint64_t>(chunks),
                 std::memory_order_release);
    job.store(number, std::memory_order_seq_cst);
    if (sleeping_workers.load(std::memory_order_seq_cst) != 0)
      futex_wake(job, static_cast<int>(std::min<long>(chunks - 1, INT_MAX)));
    {
      InsideBody inside;
      take_chunks(number);
    }
    while (const std::uint32_t left = pending.load(std::memory_order_acquire))
      wait_while(pending, left, waiting_caller);
  }
};

Pool::Pool(int threads) : threads_(std::max(threads, 1)), state_(std::make_unique<State>()) {}

Pool::~Pool() {
  state_->is_stopping.store(true, std::memory_order_release);
  state_->job.fetch_add(1, std::memory_order_seq_cst);
  futex_wake(state_->job, INT_MAX);
  for (std::thread& thread : state_->threads) thread.join();
}

void Pool::parallel_for(long n, long grain, int threads, ParallelBody body, void* frame) {
  const long chunks = chunk_count(n, grain, threads);
  if (chunks <= 1) {
    if (chunks == 1) body(frame, 0, n, 0);
    return;
  }
  if (threads_ == 1 || is_inside_body) return run_serially(n, chunks, body, frame);
  const Claim claim(state_->is_busy);
  if (!claim) return run_serially(n, chunks, body, frame);
  if (!state_->is_started) state_->start(threads_ - 1);
  state_->run(n, chunks, body, frame);
}

int thread_count() {
  static const int count = [] {
    const int available = process_cpus().count();
    const std::string text = support::variable("KROTON_THREADS");
    if (text.empty()) return available;
    constexpr int most = 4096;
    int wanted = 0;
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, wanted);
    if (read.ec == std::errc() && read.ptr == end && wanted >= 1 && wanted <= most) return wanted;
    support::log(support::Area::jit)
        ->warn("KROTON_THREADS={} is no number from 1 to {}; using {}", text, most, available);
    return available;
  }();
  return count;
}

namespace {

/// Never destroyed: kernels may still run while statics of the program are.
std::atomic<Pool*> process_pool{nullptr};

/// The child's copy of the pool has no threads and may be locked for good; it is left behind.
const support::ForkHandler
    forgets_pool({.in_child = [] { process_pool.store(nullptr, std::memory_order_relaxed); }});

} // namespace

Pool& Pool::process() {
  if (Pool* pool = process_pool.load(std::memory_order_acquire)) return *pool;
  auto made = std::make_unique<Pool>(thread_count());
  Pool* expected = nullptr;
  if (process_pool.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel))
    return *made.release();
  return *expected;
}

} // namespace kroton::jit
