#pragma once
/// The rows of random numbers that other families' files name, beyond those of basic.hpp.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op uniform;

} // namespace kroton::ops
