#pragma once
/// The threads behind `Runtime::parallel_for`.
///
///   Pool::process().parallel_for(n, 4096, thread_count(), body, &frame);
///
/// How [0, n) is split depends on (n, grain, threads) alone (chunk_count, chunk_range), never on
/// how many threads happen to be free: results that depend on the split are the same bits each
/// time.
#include <memory>

#include "jit/run/runtime_abi.hpp"

namespace kroton::jit {

using ParallelBody = void (*)(void* frame, long begin, long end, int worker);

/// KROTON_THREADS, or else the number of CPUs this process may run on; read once.
int thread_count();

/// Threads that sleep until there is work. Owned threads start with the first parallel call.
class Pool {
public:
  /// A pool that runs up to `threads` chunks at a time, one of them on the caller's thread.
  explicit Pool(int threads);
  /// Joins the threads; no call may be in progress.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// The process's pool, of `thread_count()` threads. A child of `fork` gets a new one with its
  /// first parallel call, since threads do not cross a fork.
  static Pool& process();

  /// As `Runtime::parallel_for` says. Any thread may call at any time: a call that finds the pool
  /// at work for another one, or that comes from inside a body, runs the same chunks one by one.
  /// `body` must not throw.
  void parallel_for(long n, long grain, int threads, ParallelBody body, void* frame);

  int threads() const noexcept { return threads_; }

private:
  struct State;
  int threads_;
  std::unique_ptr<State> state_;
};

} // namespace kroton::jit
