#include "lib/ir/variables.hpp"

#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "lib/support/error.hpp"
#include "lib/support/fork.hpp"

namespace kroton::ir {

std::atomic<std::uint32_t> detail::is_forking{0};
std::atomic<bool> detail::is_any_torn{false};

namespace {

/// Of the thread that forks: handlers of the program's may call functions.
thread_local bool is_forking_here = false;

class Registry {
public:
  static Registry& process() {
    static Registry instance;
    return instance;
  }

  void add(SharedState* variable) {
    const std::lock_guard lock(mutex_);
    all_.insert(variable);
  }
  void remove(SharedState* variable) {
    const std::lock_guard lock(mutex_);
    all_.erase(variable);
    locked_.erase(variable);
    torn_.erase(variable);
  }
  bool is_torn(const SharedState* variable) {
    const std::lock_guard lock(mutex_);
    return torn_.contains(variable);
  }
  void set_whole(const SharedState* variable) {
    const std::lock_guard lock(mutex_);
    torn_.erase(variable);
    detail::is_any_torn = !torn_.empty();
  }

  /// Takes all variables as a call does that reads them.
  void before_fork() {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::seconds longest{1};
    constexpr std::chrono::microseconds between{50};
    forking_.lock();
    is_forking_here = true;
    detail::is_forking = 1;
    const auto deadline = Clock::now() + longest;
    const std::lock_guard lock(mutex_);
    for (SharedState* variable : all_) {
      bool is_locked = variable->mutex.try_lock_shared();
      while (!is_locked && Clock::now() < deadline) {
        std::this_thread::sleep_for(between);
        is_locked = variable->mutex.try_lock_shared();
      }
      if (is_locked) locked_.insert(variable);
    }
  }

  void after_fork_in_parent() {
    {
      const std::lock_guard lock(mutex_);
      for (SharedState* variable : locked_) variable->mutex.unlock_shared();
      locked_.clear();
    }
    let_calls_on();
  }

  /// No fork catches another thread inside a ForkMutex, so the sets are whole.
  void after_fork_in_child() {
    for (SharedState* variable : all_)
      if (variable->mutex.free_in_child()) torn_.insert(variable);
    locked_.clear();
    detail::is_any_torn = !torn_.empty();
    let_calls_on();
  }

private:
  void let_calls_on() {
    detail::is_forking = 0;
    detail::is_forking.notify_all();
    is_forking_here = false;
    forking_.unlock();
  }

  std::mutex forking_;         ///< held during a fork
  support::ForkMutex mutex_;   ///< of what follows
  std::set<SharedState*> all_; ///< in the order in which calls lock them
  std::set<SharedState*> locked_;
  std::set<const SharedState*> torn_;
};

const support::ForkHandler
    looks_after_variables({.before = [] { Registry::process().before_fork(); },
                           .in_parent = [] { Registry::process().after_fork_in_parent(); },
                           .in_child = [] { Registry::process().after_fork_in_child(); }});

} // namespace

void detail::wait_for_fork() noexcept {
  if (!is_forking_here) is_forking.wait(1);
}

void check_whole(const SharedState& variable) {
  if (!is_any_torn() || !Registry::process().is_torn(&variable)) return;
  support::fail<Error>(variable.name.empty() ? "shared" : variable.name,
                       {.place = support::describe(variable.where),
                        .hint = "set() it in the child before it is used"},
                       "this process was forked while another thread was updating the variable, "
                       "whose value was only written in part");
}

std::shared_ptr<SharedState> make_variable() {
  auto made = std::make_unique<SharedState>();
  Registry::process().add(made.get());
  return {made.release(), [](SharedState* variable) {
            Registry::process().remove(variable);
            delete variable;
          }};
}

void set_whole(const SharedState& variable) {
  if (is_any_torn()) Registry::process().set_whole(&variable);
}

} // namespace kroton::ir
