#pragma once
/// The rows of special functions.
#include <span>

#include "lib/ir/op.hpp"

namespace kroton::ops {

/// Of rows whose results cross zero between two numbers: so many epsilons of f64, 2^-52, a result
/// of f64 may be off where that is more than the row's units in the last place. Else 0.
double error_near_zeros(const ir::Op& op);

/// Those that other families' files name.
extern const ir::Op erfcx, log1mexp, logit;

} // namespace kroton::ops
