#pragma once
/// What the threads of one warp do together.
#include <span>
#include <stdexcept>
#include <string>

#include "test/cuda/emulator/block.hpp"

namespace kroton::emulator {

/// What a thread of a warp asks for that cannot be.
class WarpError : public std::runtime_error {
public:
  WarpError(Thread& thread, const std::string& what) : std::runtime_error(what), thread_(&thread) {}
  Thread& thread() const noexcept { return *thread_; }

private:
  Thread* thread_;
};

/// "__shfl_down_sync (line 12, mask 0xffffffff)"
std::string describe(const Thread& waiting);

/// Gives results to the threads of `warp` whose operations are complete: all threads that the mask
/// names, but those that have finished, wait at the same line with the same mask. They are ready
/// then. Returns whether there are any. Throws WarpError for a mask that leaves out who asks, and
/// for a value from a lane that has none.
bool complete_operations(std::span<Thread> warp);

} // namespace kroton::emulator
