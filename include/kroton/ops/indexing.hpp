#pragma once
/// Indexing beyond the basic ops.
///
///   auto y = kt::one_hot(labels, 10);   // i64[n] to f32[n,10]
#include <kroton/ops/basic.hpp>

namespace kroton {

/// dtype[…, classes]: 1 where the last axis' position equals the label, else 0 (so a label outside
/// 0 … classes - 1 gives zeros alone).
Expr one_hot(Operand labels, std::int64_t classes, DType dtype = DType::f32);
/// The same with a number of classes that the function's arguments say: `one_hot(y, x.dim(1))`.
Expr one_hot(Operand labels, Dim classes, DType dtype = DType::f32);

} // namespace kroton
