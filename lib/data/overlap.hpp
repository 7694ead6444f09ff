#pragma once
/// Whether two views have an element in common, exactly where `Array::overlaps` only asks whether
/// the memory that they span intersects.
///
///   share_elements(a.slice(1, 0, 4), a.slice(1, 4, 8));   // false: the halves of a matrix
#include <functional>

#include <kroton/array.hpp>

namespace kroton::data {

/// As `a.overlaps(b)`, without a call where both are dense and on the host: each call of a function
/// asks it of all its outputs and arguments.
inline bool may_overlap(const Array& a, const Array& b) noexcept {
  if (!a.is_contiguous() || !b.is_contiguous() || a.device() != Device{} ||
      b.device() != Device{} || a.numel() == 0 || b.numel() == 0) [[unlikely]]
    return a.overlaps(b);
  const auto *p = static_cast<const std::byte*>(a.raw()),
             *q = static_cast<const std::byte*>(b.raw());
  return std::less<>()(p, q + b.nbytes()) && std::less<>()(q, p + a.nbytes());
}

/// True also for views whose strides are so entangled that finding out would take long.
bool share_elements(const Array& a, const Array& b);

} // namespace kroton::data
