#pragma once
/// From a plan of dims, nodes and operands to one of numbers.
#include "jit/bound/bound_plan.hpp"
#include "jit/compile/derivation.hpp"
#include "jit/bound/leaves.hpp"

namespace kroton::jit {

/// `kernels` are those of the derivation's texts.
BoundPlan bind_plan(const Derivation& derivation, const Signature& signature, const Leaves& leaves,
                    std::vector<BoundPlan::Kernel> kernels);

} // namespace kroton::jit
