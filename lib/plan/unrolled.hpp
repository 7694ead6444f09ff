#pragma once
/// Which axes kernels may walk without a loop, each element a value of its own (ADR 0059).
#include <cstdint>

namespace kroton::plan {

/// The longest: points, colours, complex numbers.
inline constexpr std::int64_t longest_unrolled = 4;

/// Whether an axis of so many elements may be.
constexpr bool may_be_unrolled(std::int64_t length) {
  return length > 1 && length <= longest_unrolled;
}

} // namespace kroton::plan
