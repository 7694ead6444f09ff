#pragma once
/// Memory for elements: aligned for vectors, large blocks in huge pages and kept for the next
/// taker.
///
///   std::byte* p = data::take_memory(nbytes);      // null if there is none
///   data::give_memory(p, nbytes);
///
/// The first touch of 40 MB costs 13 ms in pages of 4 KiB and 1.6 ms in huge ones; of a block that
/// was kept it costs nothing. Blocks that nobody uses are kept up to a bound for the whole process:
/// KROTON_KEEP_MIB, or 256 MiB, but at most a sixteenth of the machine's memory; the ones that were
/// given longest ago go first.
#include <cstddef>

namespace kroton::data {

/// Where elements start: whole cache lines and vectors.
inline constexpr std::size_t alignment = 64;
/// From here on memory comes in huge pages, and may be kept.
inline constexpr std::size_t smallest_block = std::size_t{4} << 20;

/// At least `nbytes` with any content; null if memory is short.
[[nodiscard]] std::byte* take_memory(std::size_t nbytes) noexcept;
/// Takes back what `take_memory(nbytes)` gave; null is nothing.
void give_memory(std::byte* memory, std::size_t nbytes) noexcept;

/// Memory kept for later, and what it may grow to.
struct KeptMemory {
  std::size_t nbytes = 0, limit = 0;
};
KeptMemory kept_memory() noexcept;

} // namespace kroton::data
