#pragma once
/// The rows of ops with several results, and of what their parts become.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op part, max_and_argmax, divmod, frexp, frexp_mantissa, frexp_exponent;

} // namespace kroton::ops
