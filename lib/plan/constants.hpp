#pragma once
/// Constants and offsets that become arguments, so that kernels which differ in nothing else have
/// one text.
///
///   share_constants(plan.kernels);
///   constant_arguments(plan.kernels[0]);    // the values it is passed, as bits
///
/// After `lower` and placement, when nothing of a kernel changes any more. What alike kernels have
/// in common stays in the text, where the compiler can fold it; so a function's only kernel of its
/// kind has all of its constants there.
#include <span>

#include "lib/plan/kernel.hpp"

namespace kroton::plan {

/// Finds kernels that are equal but for constants and for where in an array they begin, and makes
/// arguments of those constants (ValueKind::constant) and offsets in which they
/// differ. What decides about code stays: 0, 1, 2 and the like, exponents, what integers are
/// divided by, and offsets of 0.
void share_constants(std::span<Kernel> kernels);

} // namespace kroton::plan
