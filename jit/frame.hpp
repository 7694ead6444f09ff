#pragma once
/// What one call of a Program works with; kept for the next call, so that calls allocate nothing.
#include "jit/program.hpp"

namespace kroton::jit {

struct Program::Frame {
  std::vector<std::int64_t> sizes;   ///< values of the size table's slots
  std::vector<std::int64_t> symbols; ///< what `sizes` was computed from
  std::vector<std::byte*> buffers;   ///< one for each buffer of the plan
  std::vector<std::byte*> slots;     ///< the arena's
  std::vector<Array> packed;         ///< dense copies of arguments and of given outputs
  std::vector<void*> arguments;      ///< of the kernel at hand
  std::vector<long> size_arguments;
  Workspace arena, scratch;
  bool is_solved = false;
};

} // namespace kroton::jit
