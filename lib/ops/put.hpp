#pragma once
/// The rows that write at positions, which other families' files name.
#include "lib/ir/op.hpp"

namespace kroton::ops {

/// A base into whose elements at positions of leading axes other elements are put, or multiplied,
/// or where the larger or the smaller stays. Positions count from the front and are known to be in
/// their axes, so nothing can fail, and a shared variable may be written in place.
extern const ir::Op index_set, index_max, index_min, index_mul;

} // namespace kroton::ops
