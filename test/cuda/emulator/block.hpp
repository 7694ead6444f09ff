#pragma once
/// One block of a grid after another: its threads, its shared memory, and what its kernel asks of
/// the emulator.
#include <array>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "test/cuda/emulator/fiber.hpp"
#include "test/cuda/emulator/launch.hpp"
#include "test/cuda/emulator/race.hpp"

namespace kroton::emulator {

/// 0 to n-1 in that order, backwards or shuffled.
std::vector<std::uint32_t> in_order(std::uint32_t n, Order order, std::mt19937_64& random);

/// A shared array of the kernel's text, or its dynamic shared memory.
struct SharedArray {
  Range range;
  bool is_declared = false; ///< In the block that runs.
};

enum class Status : std::uint8_t { ready, at_barrier, at_warp_op, finished };

/// A thread of a block, and what it waits for.
struct Thread {
  Index3 index{};
  std::uint16_t number = 0;
  Status status = Status::ready;
  std::unique_ptr<Fiber> fiber; ///< While it has begun and has not finished.
  // Of what it waits for:
  WarpOp warp_op{};
  BarrierOp barrier_op{};
  int line = 0;
  std::uint32_t mask = 0;
  std::uint64_t value = 0;
  int argument = 0, width = 0;
  std::uint64_t result = 0; ///< What it is given when it continues.

  unsigned lane() const noexcept { return number % 32u; }
};

class Block {
public:
  Block(const Kernel& kernel, const Grid& grid, void** arguments, MemoryMap& memory,
        RaceDetector& races, Order order, std::mt19937_64& random);
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  /// Runs all threads of the block with this index. Throws Fault.
  void run(Index3 block);

private:
  struct Calls; ///< The functions behind the Table, which act upon the running block.
  friend struct Calls;

  void run_thread(Thread& thread);
  bool resolve_warps();
  bool resolve_barrier();
  [[noreturn]] void fail_stuck();
  [[noreturn]] void throw_fault();

  /// Called on a thread's fiber: the launch ends here.
  void fail(std::string what);
  void wait(Status status);
  void check(std::uintptr_t at, std::size_t nbytes, Access kind);
  std::string problem_of(std::uintptr_t at, std::size_t nbytes, Access kind);
  Range* range_at(std::uintptr_t at);
  std::string outside(std::uintptr_t at, std::size_t nbytes, Access kind) const;
  std::string name_of(const Range& range) const;
  bool is_shared(const Range& range) const;
  void declare_shared(std::byte* begin, std::size_t nbytes, const char* name);

  const Kernel& kernel_;
  const Grid& grid_;
  void** arguments_;
  MemoryMap& memory_;
  RaceDetector& races_;
  Order order_;
  std::mt19937_64& random_;

  std::vector<Thread> threads_;
  std::vector<std::uint32_t> warp_intervals_;
  Thread* running_ = nullptr;
  Range* last_range_ = nullptr;
  std::vector<std::unique_ptr<SharedArray>> shared_; ///< In the order of their first declaration.
  std::vector<std::byte> dynamic_shared_;
  std::string fault_;
  bool is_misaligned_ = false;
};

} // namespace kroton::emulator
