#include "jit/run/background.hpp"

#include <mutex>
#include <utility>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/support/at_exit.hpp"
#include "lib/support/threads.hpp"

namespace kroton::jit {
namespace {

std::atomic<Background*> process_background{nullptr};

/// Gives way to whatever the program itself wants to do.
void lower_priority() {
  constexpr int nice = 10;
  const auto self = static_cast<id_t>(syscall(SYS_gettid));
  setpriority(PRIO_PROCESS, self, nice);
}

} // namespace

const support::ForkHandler Background::renews_in_child_({.in_child = renew_in_child});

Background& Background::process() {
  if (Background* known = process_background.load(std::memory_order_acquire)) return *known;
  static Background& first = []() -> Background& {
    auto* made = new Background;
    support::at_exit([] {
      if (auto* last = process_background.load(std::memory_order_acquire)) last->stop();
    });
    process_background.store(made, std::memory_order_release);
    return *made;
  }();
  return first;
}

/// The parent's object is left behind: its thread and whoever waits for it are not here.
void Background::renew_in_child() {
  const Background* parents = process_background.load(std::memory_order_acquire);
  if (!parents) return;
  auto* own = new Background;
  own->jobs_ = parents->jobs_;
  if (parents->running_) own->jobs_.push_front(parents->running_);
  own->unfinished_ = static_cast<int>(own->jobs_.size());
  own->is_stopping_ = parents->is_stopping();
  process_background.store(own, std::memory_order_release);
}

void Background::add(Job job) {
  auto added = std::make_shared<const Job>(std::move(job));
  const std::lock_guard lock(mutex_);
  if (is_stopping()) return;
  jobs_.push_back(std::move(added));
  ++unfinished_;
  start();
  changed_.notify_all();
}

/// Needs the lock.
void Background::start() {
  if (thread_.joinable()) return;
  thread_ = support::try_start_thread([this] { serve(); });
  if (thread_.joinable()) return;
  jobs_.clear();
  unfinished_ = 0;
}

/// Until the process is gone.
void Background::serve() noexcept {
  lower_priority();
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !jobs_.empty(); });
    }
    run_next();
  }
}

void Background::run_next() noexcept {
  JobPtr job;
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.empty()) return;
    running_ = job = std::move(jobs_.front());
    jobs_.pop_front();
  }
  try {
    (*job)();
  } catch (...) { // std::bad_alloc, where there was no memory even to tell of another error
  }
  {
    const std::lock_guard lock(mutex_);
    running_ = nullptr;
  }
  job = nullptr; // with what it holds on to
  const std::lock_guard lock(mutex_);
  --unfinished_;
  changed_.notify_all();
}

/// In a child that has inherited jobs, its own thread starts here at the latest.
void Background::wait() {
  std::unique_lock lock(mutex_);
  if (unfinished_ > 0) start();
  changed_.wait(lock, [this] { return unfinished_ == 0; });
}

/// Drops what waits, and lets the running job know.
void Background::stop() {
  std::deque<JobPtr> dropped;
  const std::lock_guard lock(mutex_);
  is_stopping_.store(true, std::memory_order_relaxed);
  dropped.swap(jobs_);
  unfinished_ -= static_cast<int>(dropped.size());
  changed_.notify_all();
}

} // namespace kroton::jit
