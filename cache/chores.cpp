#include "cache/chores.hpp"

#include "lib/support/at_exit.hpp"
#include "lib/support/threads.hpp"

namespace kroton::cache {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t max_jobs = 256;
constexpr std::uint64_t max_queued_bytes = std::uint64_t{256} << 20;
constexpr std::chrono::seconds time_at_exit{2};

} // namespace

Chores::Chores() : state_(new State) {}

const support::ForkHandler Chores::renews_in_child_({.in_child = renew_in_child});

/// Never destroyed: threads may publish until the very end of the process.
Chores& Chores::process() {
  static auto& instance = *new Chores;
  return instance;
}

/// The parent's queue is its own business, and its lock may be taken by a thread that the child
/// does not have.
void Chores::renew_in_child() { process().state_.store(new State); }

bool Chores::add(std::uint64_t nbytes, Job job) {
  State& state = *state_.load();
  const std::lock_guard lock(state.mutex);
  if (state.is_closed || state.items.size() >= max_jobs || state.nbytes + nbytes > max_queued_bytes)
    return false;
  if (!state.thread.joinable() && !start(state)) return false;
  state.items.push_back({nbytes, std::move(job)});
  state.nbytes += nbytes;
  state.changed.notify_all();
  return true;
}

/// False where the system has no thread to give.
bool Chores::start(State& state) {
  static std::once_flag registered;
  std::call_once(registered, &finish_chores_before_exit);
  state.thread = support::try_start_thread([&state] { serve(state); });
  return state.thread.joinable();
}

void Chores::serve(State& state) noexcept {
  const Stop is_over = [&state] {
    return Clock::now().time_since_epoch().count() > state.deadline_ns.load();
  };
  std::unique_lock lock(state.mutex);
  while (true) {
    state.changed.wait(lock, [&] { return state.is_closed || !state.items.empty(); });
    if (state.items.empty() || is_over()) break;
    const Item item = std::move(state.items.front());
    state.items.pop_front();
    state.is_working = true;
    lock.unlock();
    item.job(is_over);
    lock.lock();
    state.nbytes -= item.nbytes;
    state.is_working = false;
    state.changed.notify_all();
  }
  state.has_ended = true;
  state.changed.notify_all();
}

void Chores::wait() {
  State& state = *state_.load();
  std::unique_lock lock(state.mutex);
  state.changed.wait(lock, [&] { return state.items.empty() && !state.is_working; });
}

void Chores::finish(Clock::time_point deadline) {
  constexpr std::chrono::milliseconds grace{100}; // for a job that heeds the deadline
  State& state = *state_.load();
  std::unique_lock lock(state.mutex);
  state.is_closed = true;
  state.deadline_ns = deadline.time_since_epoch().count();
  std::thread thread = std::move(state.thread);
  if (!thread.joinable()) return;
  state.changed.notify_all();
  const bool has_ended =
      state.changed.wait_until(lock, deadline + grace, [&] { return state.has_ended; });
  lock.unlock();
  if (has_ended)
    thread.join();
  else
    thread.detach(); // on a file system that hangs, say; its state is never destroyed
}

void finish_chores_before_exit() {
  support::at_exit([] { Chores::process().finish(Clock::now() + time_at_exit); });
}

} // namespace kroton::cache
