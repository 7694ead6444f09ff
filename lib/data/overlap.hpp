#pragma once
/// Whether two views have an element in common, exactly where `Array::overlaps` only asks whether
/// the memory that they span intersects.
///
///   share_elements(a.slice(1, 0, 4), a.slice(1, 4, 8));   // false: the halves of a matrix
#include <kroton/array.hpp>

namespace kroton::data {

/// True also for views whose strides are so entangled that finding out would take long.
bool share_elements(const Array& a, const Array& b);

} // namespace kroton::data
