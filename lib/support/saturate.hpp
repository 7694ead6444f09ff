#pragma once
/// Arithmetic that stops at the largest number instead of wrapping: for costs, which are compared
/// only, and for bytes, of which no machine has so many.
///
///   std::int64_t bytes = saturating_mul(saturating_mul(rows, columns), item);
#include <limits>

namespace kroton::support {

/// For numbers that are not negative.
template <class T> constexpr T saturating_mul(T a, T b) noexcept {
  T product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<T>::max() : product;
}
template <class T> constexpr T saturating_add(T a, T b) noexcept {
  T sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<T>::max() : sum;
}

} // namespace kroton::support
