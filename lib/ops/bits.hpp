#pragma once
/// The rows of operations on bits that other families' files name.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op bit_and, bit_or, bit_xor;

} // namespace kroton::ops
