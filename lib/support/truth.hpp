#pragma once
/// What an array of bool holds.
///
///   static_cast<const Truth*>(array.raw())[i] ? … : …
#include <cstddef>

namespace kroton::support {

/// A byte that is true unless it is 0. Files, other libraries and users' own memory may hold any
/// byte, and to read one other than 0 and 1 through a bool is undefined. What is written is 0 or 1.
class Truth {
public:
  Truth() = default;
  Truth(bool value) : byte_(value ? 1 : 0) {}
  operator bool() const { return byte_ != 0; }

private:
  unsigned char byte_ = 0;
};
static_assert(sizeof(Truth) == sizeof(bool));

/// Makes each byte 0 or 1.
inline void make_truth_values(void* elements, std::size_t count) {
  auto* bytes = static_cast<unsigned char*>(elements);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = bytes[i] != 0;
}

} // namespace kroton::support
