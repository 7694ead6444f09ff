#include "jit/background.hpp"

#include <utility>

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/support/at_exit.hpp"
#include "lib/support/threads.hpp"

namespace kroton::jit {
namespace {

/// Never destroyed: calls may still come while statics of the program are.
std::atomic<Background*> process_background{nullptr};

/// Gives way to whatever the program itself wants to do.
void lower_priority() {
  constexpr int nice = 10;
  const auto self = static_cast<id_t>(syscall(SYS_gettid));
  setpriority(PRIO_PROCESS, self, nice);
}

} // namespace

Background& Background::process() {
  if (Background* known = process_background.load(std::memory_order_acquire)) return *known;
  static std::once_flag once;
  std::call_once(once, [] {
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    process_background.store(new Background, std::memory_order_release);
    support::at_exit([] { process_background.load(std::memory_order_acquire)->stop(); });
  });
  return *process_background.load(std::memory_order_acquire);
}

void Background::before_fork() {
  Background* b = process_background.load(std::memory_order_acquire);
  b->running_.lock();
  b->mutex_.lock();
}

void Background::after_fork_in_parent() {
  Background* b = process_background.load(std::memory_order_acquire);
  b->mutex_.unlock();
  b->running_.unlock();
}

/// The parent's object is left behind: its condition variable counts a thread that is not here.
void Background::after_fork_in_child() {
  Background* parents = process_background.load(std::memory_order_acquire);
  auto* own = new Background;
  own->jobs_ = std::move(parents->jobs_);
  own->unfinished_ = static_cast<int>(own->jobs_.size());
  own->is_stopping_ = parents->is_stopping();
  process_background.store(own, std::memory_order_release);
}

void Background::add(Job job) {
  const std::lock_guard lock(mutex_);
  if (is_stopping()) return;
  jobs_.push_back(std::move(job));
  ++unfinished_;
  changed_.notify_all();
  if (thread_.joinable()) return;
  thread_ = support::try_start_thread([this] { serve(); });
  if (thread_.joinable()) return;
  jobs_.clear();
  unfinished_ = 0;
}

void Background::serve() noexcept {
  lower_priority();
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !jobs_.empty() || is_stopping(); });
      if (is_stopping()) return;
    }
    run_next();
  }
}

/// Takes a job only under `running_`, so that no job is under way unseen while a fork waits.
void Background::run_next() noexcept {
  const std::lock_guard running(running_);
  Job job;
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.empty()) return;
    job = std::move(jobs_.front());
    jobs_.pop_front();
  }
  try {
    job();
  } catch (...) { // std::bad_alloc, where there was no memory even to tell of another error
  }
  job = nullptr;
  const std::lock_guard lock(mutex_);
  --unfinished_;
  changed_.notify_all();
}

void Background::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return unfinished_ == 0; });
}

/// Drops what waits, and lets the running job know.
void Background::stop() {
  std::deque<Job> dropped;
  const std::lock_guard lock(mutex_);
  is_stopping_.store(true, std::memory_order_relaxed);
  dropped.swap(jobs_);
  unfinished_ -= static_cast<int>(dropped.size());
  changed_.notify_all();
}

} // namespace kroton::jit
