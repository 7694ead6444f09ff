#pragma once
/// The rows of indexing that other families' files name, beyond those of basic.hpp.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op gather, index_add;

} // namespace kroton::ops
