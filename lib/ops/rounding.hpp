#pragma once
/// The rows of roundings that other families' files name.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op ceil, round, trunc, copysign, fmod;

} // namespace kroton::ops
