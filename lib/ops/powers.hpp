#pragma once
/// The rows of powers and logarithms that other families' files name.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op exp2, log2, log10, cbrt, hypot;

} // namespace kroton::ops
