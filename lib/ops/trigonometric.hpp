#pragma once
/// The rows of trigonometric functions that other families' files name.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op sin, cos, tan, asin, acos, atan, atan2, sinh, cosh, asinh, acosh, atanh;

} // namespace kroton::ops
