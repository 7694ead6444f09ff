#pragma once
/// The rows of all ops, and the list that tests, the fuzzer and printers walk.
#include <span>

#include "lib/ir/op.hpp"

namespace kroton::ops {

using ir::Op;

// leaf.cpp
extern const Op input, shared, constant, array, size, iota;
// arithmetic.cpp
extern const Op add, sub, mul, div, floor_div, mod, neg, abs, sign, floor, pow, minimum, maximum;
// logic.cpp
extern const Op equal, not_equal, less, less_equal, greater, greater_equal, logical_and, logical_or,
    logical_not, where, cast;
// transcendental.cpp
extern const Op exp, expm1, log, log1p, sqrt, tanh, tanh_slope, sigmoid, softplus, relu, sinpi,
    cospi;
// reduction.cpp
extern const Op sum, max, min, argmax, argmin;
// movement.cpp
extern const Op reshape, transpose, broadcast_to, slice, unslice, stop_gradient, copy;
// contraction.cpp
extern const Op matmul, gemm;
// indexing.cpp
extern const Op gather, index_add;
// random.cpp
extern const Op uniform;

/// Every op, in a fixed order.
std::span<const Op* const> all();
/// The row of that name; nullptr if there is none.
const Op* find(std::string_view name);

} // namespace kroton::ops
