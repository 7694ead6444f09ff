#pragma once
/// Calls that may take for ever: to name servers, to file systems of other machines, to code that
/// is not ours. Each is made on a thread of its own, and its caller continues when the time is up.
///
///   const std::optional<int> answer = call_within(1s, [name] { return ask(name); });
///   if (!answer) …                        // its time is up, and it may still be continuing
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

namespace kroton::cache {

/// Runs `job` on a thread that nobody waits for, and to which no signal of the program's is
/// delivered. Throws std::system_error where the system has no thread to give.
void run_detached(std::function<void()> job);

/// What `call` returns or throws, if it does so within the time given and before `is_over`, which
/// is asked every few milliseconds, says that nobody wants it any more. `call` owns, or shares, all
/// that it uses, since it may outlive this call; what it then returns is dropped. Throws
/// std::system_error where the system has no thread to give.
template <class F>
std::optional<std::invoke_result_t<F&>>
call_within(std::chrono::milliseconds limit, F call,
            const std::function<bool()>& is_over = nullptr) {
  using Clock = std::chrono::steady_clock;
  using Result = std::invoke_result_t<F&>;
  struct State {
    explicit State(F f) : call(std::move(f)) {}
    std::optional<F> call;
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Result> result;
    std::exception_ptr error;
    bool has_ended = false;
  };
  const auto deadline = Clock::now() + limit;
  const auto state = std::make_shared<State>(std::move(call));
  run_detached([state] {
    std::optional<Result> result;
    std::exception_ptr error;
    try {
      result.emplace((*state->call)());
    } catch (...) {
      error = std::current_exception();
    }
    state->call.reset(); // whoever gets the result is then alone with what the call shared
    const std::lock_guard lock(state->mutex);
    state->result = std::move(result);
    state->error = std::move(error);
    state->has_ended = true;
    state->changed.notify_all();
  });
  constexpr std::chrono::milliseconds between_questions{10};
  std::unique_lock lock(state->mutex);
  while (!state->has_ended) {
    if (Clock::now() >= deadline || (is_over && is_over())) return std::nullopt;
    state->changed.wait_until(lock, is_over ? std::min(deadline, Clock::now() + between_questions)
                                            : deadline);
  }
  // Not left in what the thread shares: an exception belongs to whoever has caught it.
  if (state->error) std::rethrow_exception(std::exchange(state->error, nullptr));
  return std::move(state->result);
}

} // namespace kroton::cache
