#include "cache/uploads.hpp"

#include <cstdlib>

#include <pthread.h>

namespace kroton::cache {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t max_jobs = 256;
constexpr std::uint64_t max_queued_bytes = std::uint64_t{256} << 20;
constexpr std::chrono::seconds time_at_exit{2};

} // namespace

Uploads::Uploads() : state_(new State) { ::pthread_atfork(nullptr, nullptr, &renew_in_child); }

/// Never destroyed: threads may publish until the very end of the process.
Uploads& Uploads::process() {
  static auto& instance = *new Uploads;
  return instance;
}

/// The parent's queue is its own business, and its lock may be taken by a thread that the child
/// does not have.
void Uploads::renew_in_child() { process().state_.store(new State); }

bool Uploads::add(std::uint64_t nbytes, Job job) {
  State& state = *state_.load();
  const std::lock_guard lock(state.mutex);
  if (state.is_closed || state.items.size() >= max_jobs || state.nbytes + nbytes > max_queued_bytes)
    return false;
  state.items.push_back({nbytes, std::move(job)});
  state.nbytes += nbytes;
  if (!state.thread.joinable()) state.thread = std::thread([&state] { serve(state); });
  state.changed.notify_all();
  return true;
}

void Uploads::serve(State& state) noexcept {
  const Stop is_over = [&state] {
    return Clock::now().time_since_epoch().count() > state.deadline_ns.load();
  };
  std::unique_lock lock(state.mutex);
  while (true) {
    state.changed.wait(lock, [&] { return state.is_closed || !state.items.empty(); });
    if (state.items.empty() || is_over()) return;
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
}

void Uploads::wait() {
  State& state = *state_.load();
  std::unique_lock lock(state.mutex);
  state.changed.wait(lock, [&] { return state.items.empty() && !state.is_working; });
}

void Uploads::finish(Clock::time_point deadline) {
  State& state = *state_.load();
  std::thread thread;
  {
    const std::lock_guard lock(state.mutex);
    state.is_closed = true;
    state.deadline_ns = deadline.time_since_epoch().count();
    thread = std::move(state.thread);
  }
  state.changed.notify_all();
  if (thread.joinable()) thread.join();
}

void finish_uploads_before_exit() {
  static const int registered =
      std::atexit([] { Uploads::process().finish(Clock::now() + time_at_exit); });
  static_cast<void>(registered);
}

} // namespace kroton::cache
