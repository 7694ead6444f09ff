#pragma once
/// Ops that move elements or pass them on, beyond the basic ones.
///
///   auto row = kt::squeeze(kt::slice(x, {{0, 1}}));   // f32[1,?] to f32[?]
#include <kroton/ops/basic.hpp>

namespace kroton {

/// Drops axes of size 1 (all of them when empty).
Expr squeeze(Operand a, Axes axes = {});

/// a, through which no gradient flows.
Expr stop_gradient(Operand a);

} // namespace kroton
