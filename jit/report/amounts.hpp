#pragma once
/// What the steps of calls move, compute and take.
#include <span>
#include <string>

#include <kroton/array.hpp>

#include "jit/function/versions.hpp"

namespace kroton::jit {

/// A table with a line for each step of a call with these arguments: its bytes, operations and
/// time. Calls the function, and puts back what its updates changed. Throws as a call does.
std::string measured_amounts(Versions& versions, std::span<const Array> arguments);

} // namespace kroton::jit
