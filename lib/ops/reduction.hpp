#pragma once
/// The rows of reductions that other families' files name, beyond those of basic.hpp.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op argmax, argmin, prod;

} // namespace kroton::ops
