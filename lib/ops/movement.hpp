#pragma once
/// The rows of ops that move elements that other families' files name, beyond those of basic.hpp.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op unslice, stop_gradient;

} // namespace kroton::ops
