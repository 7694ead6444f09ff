#pragma once
/// One thread of low priority for work that nobody waits for.
///
///   Background::process().add([weak] { if (auto self = weak.lock()) self->improve(); });
///
/// The thread starts with the first job. A fork waits until the running job has ended, so that the
/// child finds no lock taken; the child inherits the waiting jobs and starts a thread of its own
/// with the next one. When the process begins to exit, the running job is asked to give up and the
/// others are dropped. Nobody waits for it: nothing that it uses is ever destroyed.
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace kroton::jit {

class Background {
public:
  using Job = std::function<void()>;

  Background() = default;
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  /// The process's own.
  static Background& process();

  /// `job` must not throw. Once the process has begun to exit it is dropped.
  void add(Job job);
  /// True once the process has begun to exit: a job that takes long asks it now and then.
  bool is_stopping() const noexcept { return is_stopping_.load(std::memory_order_relaxed); }
  /// Returns when all jobs added so far have ended.
  void wait();

private:
  void stop();
  void serve() noexcept;
  void run_next() noexcept;

  std::mutex running_; ///< held while a job runs; taken before `mutex_`
  std::mutex mutex_;   ///< guards what follows
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::thread thread_;
  int unfinished_ = 0; ///< jobs that wait or run
  std::atomic<bool> is_stopping_{false};

  static void before_fork();
  static void after_fork_in_parent();
  static void after_fork_in_child();
};

} // namespace kroton::jit
