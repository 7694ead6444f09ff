#pragma once
/// The thread that does what nobody is to wait for, one for the process: uploads to a remote store,
/// and sweeps of the directory.
///
///   Chores& chores = Chores::process();
///   chores.add(entry.size(), [=](const Chores::Stop& is_over) { put(entry, is_over); });
///
/// The thread starts with the first job. At exit, what is queued is worked off for two seconds at
/// most. A child of fork starts with an empty queue and no thread.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "lib/support/fork.hpp"

namespace kroton::cache {

class Chores {
public:
  /// True once the process is about to end and the time for it is up.
  using Stop = std::function<bool()>;
  using Job = std::function<void(const Stop&)>;

  static Chores& process();

  /// Queues a job that holds so many bytes and throws nothing. False when the queue is full (256
  /// jobs or 256 MiB) or the system has no thread to give.
  bool add(std::uint64_t nbytes, Job job);
  /// Returns when all jobs added so far have ended.
  void wait();
  /// Works off what is queued until the deadline, then drops the rest, and leaves a job that hangs
  /// to itself. For the end of the process.
  void finish(std::chrono::steady_clock::time_point deadline);

private:
  struct Item {
    std::uint64_t nbytes;
    Job job;
  };
  /// All that a thread and its callers share; a child of fork gets a new one.
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Item> items;
    std::uint64_t nbytes = 0;
    bool is_working = false;
    bool is_closed = false;
    bool has_ended = false; ///< The thread.
    std::atomic<std::int64_t> deadline_ns{INT64_MAX};
    std::thread thread;
  };
  Chores();
  static bool start(State&);
  static void serve(State&) noexcept;
  static void renew_in_child();
  static const support::ForkHandler renews_in_child_;

  std::atomic<State*> state_; // of a forked parent's, the child keeps no more than the memory
};

/// Lets the process's chores end within bounds before what the libraries loaded so far do at exit:
/// to be called after a library was loaded that they use. `add` does so for what Kroton itself
/// uses.
void finish_chores_before_exit();

} // namespace kroton::cache
