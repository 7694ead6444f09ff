#pragma once
/// The rows that many passes and rules name.
///
/// This list is complete: many files include it, so an addition would compile them all again.
/// Another row is declared in the header of its family, beside this one, if a file of another
/// family names it; else nowhere.
#include "lib/ir/op.hpp"
#include "lib/ops/params.hpp"

namespace kroton::ops {

extern const ir::Op input, shared, constant, array, size, iota;
extern const ir::Op add, sub, mul, div, neg, abs, minimum, maximum;
extern const ir::Op equal, not_equal, less, less_equal, greater, greater_equal, logical_and,
    logical_or, logical_not, where, cast;
extern const ir::Op exp, expm1, log, log1p, sqrt, tanh, sigmoid, softplus, relu;
extern const ir::Op sum, max, min;
extern const ir::Op reshape, transpose, broadcast_to, slice, copy;

} // namespace kroton::ops
