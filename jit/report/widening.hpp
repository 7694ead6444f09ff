#pragma once
/// Where an expression became wider than what it is made of.
#include <string>
#include <vector>

#include "jit/compile/signature.hpp"

namespace kroton::jit {

/// One line for each op whose result is a wider float than an operand that brought no such width
/// itself, in the order of the ops: "f64 at a.cpp:7: mul of x f32[n] and y f64[n], which is f64".
/// Casts that the user wrote are none.
std::vector<std::string> widenings(const Signature& signature);

} // namespace kroton::jit
