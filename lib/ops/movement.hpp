#pragma once
/// The rows of ops that move elements that other families' files name, beyond those of basic.hpp.
#include "lib/ir/op.hpp"

namespace kroton {
struct Range;
}

namespace kroton::ops {

extern const ir::Op unslice, stop_gradient;

/// The elements of one axis that a range names: `length` of them from `start` on.
struct AxisSlice {
  Dim start{0}, length{0};
  std::int64_t step = 1;
};
/// Of an axis of `n` elements; the step is not 0. Throws UnsupportedError for a bound that cannot
/// be a size.
AxisSlice axis_slice(const Range& r, const Dim& n, Location where);

} // namespace kroton::ops
