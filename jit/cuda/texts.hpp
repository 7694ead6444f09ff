#pragma once
/// The texts of a plan for a CUDA device, and which of them are compiled before a call.
///
///   Texts texts = render_for_device(plan, {});
///   texts.kernels[0].is_deferred;
#include "jit/derivation.hpp"

namespace kroton::jit::cuda {

/// Texts of the plan's kernels come first, in their order, as those of any target do. Of the ways
/// of computing a step that sizes choose from, all are deferred but those for sizes of 128, where
/// sizes are not known: small batches are what most training has, and other sizes want others. So
/// is what cuBLASLt computes at such sizes.
Texts render_for_device(const plan::Plan& plan, const Tamper& tamper);

} // namespace kroton::jit::cuda
