#pragma once
/// The rows of linear algebra.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op cholesky, solve_triangular;

} // namespace kroton::ops
