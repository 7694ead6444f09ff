#include "test/cuda/emulator/memory.hpp"

#include <iterator>

namespace kroton::emulator {

void MemoryMap::add(const void* begin, std::size_t nbytes, std::string name) {
  const auto at = reinterpret_cast<std::uintptr_t>(begin);
  ranges_.insert_or_assign(at, Range(at, nbytes, std::move(name)));
}

void MemoryMap::remove(const void* begin) {
  ranges_.erase(reinterpret_cast<std::uintptr_t>(begin));
}

Range* MemoryMap::find(std::uintptr_t address) {
  auto after = ranges_.upper_bound(address);
  if (after == ranges_.begin()) return nullptr;
  Range& range = std::prev(after)->second;
  return address <= range.end() ? &range : nullptr;
}

const Range* MemoryMap::nearest(std::uintptr_t address) const {
  const auto after = ranges_.upper_bound(address);
  const Range* above = after == ranges_.end() ? nullptr : &after->second;
  if (after == ranges_.begin()) return above;
  const Range* below = &std::prev(after)->second;
  if (!above || address <= below->end()) return below;
  return address - below->end() <= above->begin() - address ? below : above;
}

} // namespace kroton::emulator
