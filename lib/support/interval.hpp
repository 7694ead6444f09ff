#pragma once
/// What integers a value is among, as far as that is known without computing it.
///
///   Interval i{0, 9};
///   i.contains({2, 3});                            // true
///   integers_of(DType::u8);                        // 0 … 255
#include <algorithm>

#include <kroton/dtype.hpp>

namespace kroton::support {

/// 128 bits hold every integer dtype and every product of two 64-bit values.
__extension__ using Wide = __int128;

/// low … high, both included.
struct Interval {
  Wide low = 0, high = 0;

  constexpr bool contains(const Interval& other) const noexcept {
    return low <= other.low && other.high <= high;
  }
  bool operator==(const Interval&) const = default;
};

/// The smallest interval that holds both.
constexpr Interval hull(const Interval& a, const Interval& b) noexcept {
  return {std::min(a.low, b.low), std::max(a.high, b.high)};
}

/// All values of bool (0 and 1) or of an integer dtype.
constexpr Interval integers_of(DType t) noexcept {
  if (is_bool(t)) return {0, 1};
  const Wide count = Wide(1) << (8 * item_size(t));
  if (is_signed_int(t)) return {-count / 2, count / 2 - 1};
  return {0, count - 1};
}

} // namespace kroton::support
