#pragma once
/// What one call of a Program works with; kept for the next call, so that calls allocate nothing.
#include "jit/program.hpp"

namespace kroton::jit {

struct Program::Frame {
  std::vector<std::int64_t> sizes; ///< values of the size table's slots
  std::vector<long> step_sizes;    ///< the size arguments of all kernels, step after step
  std::vector<std::byte*> buffers; ///< one for each buffer of the plan
  std::vector<std::size_t> slots;  ///< where the arena's slots start in it
  std::vector<Array> packed;       ///< dense copies of arguments and of given outputs
  std::vector<std::pair<Array, Array>> copies; ///< given outputs, and what to copy into each
  std::vector<void*> arguments;                ///< of the kernel at hand
  Workspace arena, scratch;
  bool is_solved = false;
};

} // namespace kroton::jit
