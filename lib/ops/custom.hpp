#pragma once
/// Marks that carry what no kernel computes: gradients of the user's own, and values that are to be
/// computed again. They are in no table of rows: nothing makes them but the functions of
/// kroton/custom.hpp.
#include "lib/ir/op.hpp"

namespace kroton::ops {

/// The first input, with a gradient of its own; `without_custom_gradients` takes it away before a
/// function is captured.
extern const ir::Op custom_gradient;
/// The first input, as a value apart from it: nothing that is computed from one is merged with what
/// is computed from the other. It is computed after the second.
extern const ir::Op recompute;

/// Whether the gradient of its own is the first input's all the same, only made in another way.
bool passes_tangents(const ir::Node& n);
/// The same values without custom_gradient; the very expressions where there is none.
std::vector<Expr> without_custom_gradients(const std::vector<Expr>& all);

} // namespace kroton::ops
