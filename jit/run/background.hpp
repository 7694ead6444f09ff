#pragma once
/// One thread of low priority for work that nobody waits for.
///
///   Background::process().add([weak] { if (auto self = weak.lock()) self->improve(); });
///
/// The thread starts with the first job. A fork does not wait for the running job: the child
/// inherits it with those that wait, begins it anew, and starts a thread of its own with the next
/// one that is added. When the process begins to exit, the running job is asked to give up and the
/// others are dropped; nobody waits for it, and nothing that it uses is ever destroyed.
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <thread>

#include "lib/support/fork.hpp"

namespace kroton::jit {

class Background {
public:
  using Job = std::function<void()>;

  Background() = default;
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  /// The process's own.
  static Background& process();

  /// What `job` throws is dropped. So is the job if the system has no thread to give, and once the
  /// process has begun to exit.
  void add(Job job);
  /// True once the process has begun to exit: a job that takes long asks it now and then.
  bool is_stopping() const noexcept { return is_stopping_.load(std::memory_order_relaxed); }
  /// Returns when all jobs added so far have ended.
  void wait();

private:
  using JobPtr = std::shared_ptr<const Job>;

  void start();
  void serve() noexcept;
  void run_next() noexcept;
  void stop();
  static void renew_in_child();
  static const support::ForkHandler renews_in_child_;

  support::ForkMutex mutex_; ///< guards what follows
  std::condition_variable_any changed_;
  std::deque<JobPtr> jobs_;
  JobPtr running_;
  std::thread thread_;
  int unfinished_ = 0; ///< jobs that wait or run
  std::atomic<bool> is_stopping_{false};
};

} // namespace kroton::jit
