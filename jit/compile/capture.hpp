#pragma once
/// Checks what the user asked `function()` for, before anything is compiled.
#include "jit/compile/signature.hpp"

namespace kroton::jit {

/// Throws GraphError for inputs that are missing, doubled or no inputs, for sizes that no input
/// gives, and for variables updated twice; TypeError and ShapeError for updates that do not fit.
/// Adds the updates that shared variables bring themselves (random streams).
Signature make_signature(std::vector<Expr> inputs, std::vector<Expr> outputs,
                         const Options& options, Location where);

/// The roots of the graph: outputs, then new values.
std::vector<Expr> roots_of(const Signature& signature);

} // namespace kroton::jit
