#include "test/cuda/emulator/race.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace kroton::emulator {
namespace {

constexpr int warp_size = 32;

/// Which of the four bytes from `cell` on are among the `n` from `at` on.
std::uint8_t bytes_in(std::uintptr_t cell, std::uintptr_t at, std::size_t n) {
  std::uint8_t bits = 0;
  for (std::uintptr_t i = 0; i < 4; ++i)
    if (cell + i >= at && cell + i < at + n) bits |= static_cast<std::uint8_t>(1u << i);
  return bits;
}

bool is_same_warp(const Cell::Record& a, const Cell::Record& b) {
  return a.thread / warp_size == b.thread / warp_size;
}

} // namespace

bool RaceDetector::conflicts(const Cell::Record& earlier, const Cell::Record& now,
                             bool is_shared) const {
  if ((earlier.bytes & now.bytes) == 0 || (earlier.is_atomic && now.is_atomic)) return false;
  if (earlier.interval < launch_) return false;
  if (earlier.interval < block_) return !is_shared && !has_fence_;
  if (earlier.interval < interval_ || earlier.thread == now.thread) return false;
  return !is_same_warp(earlier, now) || earlier.warp_interval == now.warp_interval;
}

bool RaceDetector::conflicts_with_readers(const Cell& cell, const Cell::Record& now,
                                          bool is_shared) const {
  if (conflicts(cell.read, now, is_shared)) return true;
  if ((cell.read.bytes & now.bytes) == 0 || cell.read.interval != interval_) return false;
  return cell.is_read_by_warps ||
         (cell.is_read_by_lanes && cell.read.warp_interval == now.warp_interval);
}

void RaceDetector::note_read(Cell& cell, const Cell::Record& now) const {
  const Cell::Record& last = cell.read;
  if (last.interval != interval_ || (last.bytes & now.bytes) == 0) {
    cell.is_read_by_lanes = cell.is_read_by_warps = false;
  } else if (!is_same_warp(last, now)) {
    cell.is_read_by_warps = true;
  } else if (last.warp_interval != now.warp_interval) {
    cell.is_read_by_lanes = false;
  } else if (last.thread != now.thread) {
    cell.is_read_by_lanes = true;
  }
  cell.read = now;
}

std::string RaceDetector::see_cell(Cell& cell, const Cell::Record& now, Access kind,
                                   bool is_shared) const {
  const auto who = [&](const Cell::Record& r) {
    return fmt::format("thread {}{}", r.thread, r.interval < block_ ? " of another block" : "");
  };
  std::string problem;
  if (conflicts(cell.write, now, is_shared))
    problem = fmt::format("{} has written with no barrier between", who(cell.write));
  else if (kind != Access::read && conflicts_with_readers(cell, now, is_shared))
    problem = fmt::format("{} read with no barrier between",
                          cell.read.thread == now.thread ? "other threads" : who(cell.read));
  if (kind == Access::read)
    note_read(cell, now);
  else
    cell.write = now;
  return problem;
}

std::string RaceDetector::see(Range& range, std::uintptr_t at, std::size_t nbytes, Access kind,
                              Accessor by) {
  if (footprint_ && !by.is_shared) footprint_->add(at, nbytes, kind != Access::read);
  std::string problem;
  for (std::uintptr_t cell = at / 4 * 4; cell < at + nbytes && problem.empty(); cell += 4) {
    const Cell::Record now{.interval = interval_,
                           .warp_interval = by.warp_interval,
                           .thread = by.thread,
                           .bytes = bytes_in(cell, at, nbytes),
                           .is_atomic = kind == Access::atomic};
    problem = see_cell(range.cell(std::max(cell, range.begin())), now, kind, by.is_shared);
  }
  return problem;
}

bool RaceDetector::is_written_by_block(Range& range, std::uintptr_t at) const {
  return range.cell(at).write.interval >= block_;
}

} // namespace kroton::emulator
