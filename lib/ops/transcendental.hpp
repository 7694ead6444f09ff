#pragma once
/// The rows of transcendental functions that other families' files name, beyond those of basic.hpp.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op tanh_slope, sinpi, cospi, erf, erfc;

} // namespace kroton::ops
