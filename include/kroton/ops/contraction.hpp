#pragma once
/// Products of stacks of matrices.
///
///   auto y = kt::matmul(x, w);   // f32[b,n,k] with f32[k,m] is f32[b,n,m]
#include <kroton/ops/basic.hpp>

namespace kroton {

/// The matrix product of the last two axes; leading axes are batches and broadcast:
/// f32[b,n,k] with f32[k,m] is f32[b,n,m].
Expr matmul(Operand a, Operand b);

} // namespace kroton
