#pragma once
/// Runs the blocks of a grid, the threads of each as fibers that are switched at barriers and warp
/// operations.
///
///   launch({.name = "add", .call = call, .state = state}, {.blocks = {4}, .threads = {128}},
///   arguments, memory,
///          {.order = Order::reverse});
#include <cstdint>
#include <stdexcept>
#include <string>

#include "test/cuda/emulator/abi.h"
#include "test/cuda/emulator/footprint.hpp"
#include "test/cuda/emulator/memory.hpp"

namespace kroton::emulator {

/// What a kernel did wrong: "kernel add, block (1,0,0), thread (33,0,0): reads 4 bytes …".
class Fault : public std::runtime_error {
public:
  Fault(const std::string& what, bool is_misaligned)
      : std::runtime_error(what), is_misaligned_(is_misaligned) {}
  /// A driver tells such accesses from others.
  bool is_misaligned() const noexcept { return is_misaligned_; }

private:
  bool is_misaligned_;
};

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
};

struct Grid {
  Dim3 blocks, threads;
  std::size_t shared_bytes = 0; ///< Dynamic shared memory of each block.
};

/// In which order the threads of a block run from one point where they wait to the next, and the
/// blocks.
enum class Order : std::uint8_t { forward, reverse, random };

struct Schedule {
  Order order = Order::forward;
  std::uint64_t seed = 1; ///< Of the random order.
};

/// A kernel of a loaded text.
struct Kernel {
  std::string name;
  void (*call)(void** arguments) = nullptr;
  State* state = nullptr;
  /// The text's code and constants: what is there may be read.
  std::uintptr_t code_begin = 0, code_end = 0;
  std::vector<int> parameter_bytes;
};

/// Calls the kernel for each thread, and adds what they touch to `footprint`. One launch runs at a
/// time in the process, others wait. Throws Fault at the first thing that is wrong: an access
/// outside of `memory` and the shared arrays, a misaligned one, a race, a read of shared memory
/// that the block has not written, a barrier that not all threads reach, a warp operation that not
/// all threads of its mask take part in.
void launch(const Kernel& kernel, const Grid& grid, void** arguments, MemoryMap& memory,
            const Schedule& schedule, Footprint* footprint = nullptr);

} // namespace kroton::emulator
