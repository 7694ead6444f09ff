#pragma once
/// What is added at positions.
///
///   auto counts = kt::index_add({10}, {labels}, kt::broadcast_to(1.f, labels.shape()));   //
///   f32[10]
#include <kroton/ops/basic.hpp>

namespace kroton {

/// zeros(shape) with g added at the given positions of its leading axes: index's gradient.
/// Positions that occur several times accumulate.
Expr index_add(std::vector<Dim> shape, std::vector<Expr> positions, Operand g);

} // namespace kroton
