#pragma once
/// The rows of running folds that other families' files name.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op cumsum, cumprod, cummax, cummin, linear_recurrence;

} // namespace kroton::ops
