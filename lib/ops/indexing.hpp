#pragma once
/// The rows of indexing that other families' files name, beyond those of basic.hpp.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op gather, index_add;
/// What a rule makes of an array to which an index_add is added, or from which it is subtracted.
extern const ir::Op index_add_to;

} // namespace kroton::ops
