#pragma once
/// Finds two threads that touch the same bytes with nothing between them that orders the two, at
/// least one of them writing.
///
///   RaceDetector races;
///   races.begin_launch();  races.begin_block();
///   const std::string problem = races.see(range, at, 4, Access::write, {.thread = 3});   // empty:
///   none races.barrier();
///
/// What orders two accesses: a barrier of the block between them, a barrier of the warp between two
/// of its threads, or that both are atomic. Blocks of one launch are ordered by nothing, but once a
/// launch has called __threadfence what its blocks hand each other through memory is not judged.
#include <cstdint>
#include <string>

#include "test/cuda/emulator/abi.h"
#include "test/cuda/emulator/footprint.hpp"
#include "test/cuda/emulator/memory.hpp"

namespace kroton::emulator {

struct Accessor {
  std::uint16_t thread = 0;        ///< In its block.
  std::uint32_t warp_interval = 0; ///< How many barriers its warp has met.
  bool is_shared = false; ///< The memory is the block's: what other blocks did there is gone.
};

class RaceDetector {
public:
  /// What the launch touches outside of shared memory is added to `footprint`, if there is one.
  void begin_launch(Footprint* footprint = nullptr) {
    footprint_ = footprint;
    launch_ = block_ = ++interval_;
    has_fence_ = false;
  }
  void begin_block() { block_ = ++interval_; }
  void barrier() { ++interval_; }
  void fence() { has_fence_ = true; }

  /// Notes an access of `nbytes` at `at`, all of them in `range`; says what it conflicts with, if
  /// anything.
  std::string see(Range& range, std::uintptr_t at, std::size_t nbytes, Access kind, Accessor by);
  /// Whether this block has written to the four bytes around `at`.
  bool is_written_by_block(Range& range, std::uintptr_t at) const;

private:
  bool conflicts(const Cell::Record& earlier, const Cell::Record& now, bool is_shared) const;
  bool conflicts_with_readers(const Cell& cell, const Cell::Record& now, bool is_shared) const;
  void note_read(Cell& cell, const Cell::Record& now) const;
  std::string see_cell(Cell& cell, const Cell::Record& now, Access kind, bool is_shared) const;

  std::uint32_t interval_ = 0, launch_ = 0, block_ = 0;
  bool has_fence_ = false;
  Footprint* footprint_ = nullptr;
};

} // namespace kroton::emulator
