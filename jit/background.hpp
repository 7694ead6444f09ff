#pragma once
/// One thread of low priority for work that nobody waits for.
///
///   Background::process().add([weak] { if (auto self = weak.lock()) self->improve(); });
///
/// The thread starts with the first job. A fork waits until the running job has ended, so that the
/// child finds no lock taken; the child inherits the waiting jobs and starts a thread of its own
/// with the next one. At exit the running job is asked to give up and waited for, the others are
/// dropped.
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

  /// `job` must not throw. After `stop` it is dropped.
  void add(Job job);
  /// True once the process is about to end: a job that takes long asks it now and then.
  bool is_stopping() const noexcept { return is_stopping_.load(std::memory_order_relaxed); }
  /// Returns when all jobs added so far have ended.
  void wait();
  /// Drops what waits and returns when the running job has ended. For the end of the process; may
  /// be called more than once.
  void stop();

private:
  void serve() noexcept;
  void run_next();

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

/// Calls `Background::stop` for the process's own, if there is one, before what the libraries
/// loaded so far do at exit: to be called after a library was loaded that jobs use.
void stop_background_before_exit();

} // namespace kroton::jit
