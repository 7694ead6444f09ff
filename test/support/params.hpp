#pragma once
/// Parameters for ops that tests take from the list of all ops.
///
///   Expr e = ir::make(op, inputs, elementwise_params(op, DType::f64), Location::current());
#include "lib/ops/basic.hpp"

namespace kroton::test {

/// Of an elementwise op; `to` is what a cast casts to.
inline ir::Params elementwise_params(const ir::Op& op, DType to) {
  if (&op == &ops::cast) return ops::CastParams{to};
  return op.params ? op.params->initial() : ir::Params{};
}

} // namespace kroton::test
