#pragma once
/// The shared variables of the process, and what becomes of them in a fork.
///
///   auto state = make_variable();
///   wait_for_fork();                               // before the first of a call's locks is taken
///   const std::shared_lock reading(state->mutex);
///   check_whole(*state);
///
/// A fork waits until no call updates a variable, for a second at most; calls that begin
/// meanwhile wait for the fork. In the child all variables' locks are free. A variable that was
/// being updated even then is torn there until it is set: its value may be half of one update and
/// half of another.
#include <atomic>
#include <cstdint>
#include <memory>

#include "lib/ir/node.hpp"

namespace kroton::ir {

namespace detail {
extern std::atomic<std::uint32_t> is_forking; ///< while it waits for calls
extern std::atomic<bool> is_any_torn;
void wait_for_fork() noexcept;
} // namespace detail

/// A variable that forks know of, without name and value.
std::shared_ptr<SharedState> make_variable();

/// Returns at once unless another thread is about to fork.
inline void wait_for_fork() noexcept {
  if (detail::is_forking.load(std::memory_order_relaxed) != 0) [[unlikely]]
    detail::wait_for_fork();
}

/// Whether any variable is torn.
inline bool is_any_torn() noexcept { return detail::is_any_torn.load(std::memory_order_relaxed); }

/// Throws Error if the variable is torn. Its lock must be held.
void check_whole(const SharedState& variable);

/// Once its value has been replaced, under its exclusive lock.
void set_whole(const SharedState& variable);

} // namespace kroton::ir
