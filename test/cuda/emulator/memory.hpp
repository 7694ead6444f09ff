#pragma once
/// The memory that kernels may touch, and who touched it last.
///
///   MemoryMap memory;
///   memory.add(x.data(), 4096);
///   const Range* r = memory.find(address);           // null if nothing is there
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace kroton::emulator {

/// The last accesses to four bytes. An interval is what is between two barriers of one block;
/// their numbers never repeat, so that a cell never needs to be cleared.
struct Cell {
  struct Record {
    std::uint32_t interval = 0;      ///< 0: none yet.
    std::uint32_t warp_interval = 0; ///< Counts the warp's own barriers.
    std::uint16_t thread = 0;
    std::uint8_t bytes = 0; ///< Which of the four, a bit each.
    bool is_atomic = false;
  };
  Record write, read;
  // Who else has read these bytes in the interval of `read`:
  bool is_read_by_lanes = false; ///< A thread of the same warp in the same interval of the warp.
  bool is_read_by_warps = false; ///< A thread of another warp.
};

/// Memory with a beginning and an end.
class Range {
public:
  Range(std::uintptr_t begin, std::size_t nbytes, std::string name)
      : begin_(begin), nbytes_(nbytes), name_(std::move(name)) {}

  std::uintptr_t begin() const noexcept { return begin_; }
  std::uintptr_t end() const noexcept { return begin_ + nbytes_; }
  std::size_t nbytes() const noexcept { return nbytes_; }
  const std::string& name() const noexcept { return name_; }
  bool holds(std::uintptr_t at, std::size_t n) const noexcept {
    return at >= begin_ && at - begin_ <= nbytes_ && n <= nbytes_ - (at - begin_);
  }
  /// The cell of the four bytes at `at`, rounded down. Made when first asked for.
  Cell& cell(std::uintptr_t at) {
    if (cells_.empty()) cells_.resize((end() - begin_ / 4 * 4 + 3) / 4);
    return cells_[(at - begin_ / 4 * 4) / 4];
  }

private:
  std::uintptr_t begin_;
  std::size_t nbytes_;
  std::string name_;
  std::vector<Cell> cells_;
};

/// Ranges that do not overlap.
class MemoryMap {
public:
  void add(const void* begin, std::size_t nbytes, std::string name = {});
  void remove(const void* begin);
  /// The range that begins at or before `address` and ends at or after it; null if there is none.
  Range* find(std::uintptr_t address);
  /// The range with the least distance to `address`; null if there is none at all.
  const Range* nearest(std::uintptr_t address) const;

private:
  std::map<std::uintptr_t, Range> ranges_;
};

} // namespace kroton::emulator
