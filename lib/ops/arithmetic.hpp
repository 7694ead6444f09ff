#pragma once
/// The rows of arithmetic that other families' files name, beyond those of basic.hpp.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op floor_div, mod, sign, floor, pow;

} // namespace kroton::ops
