#pragma once
/// The texts of a plan for a CUDA device, and which of them are compiled before a call.
///
///   Texts texts = render_for_device(plan, {});
///   texts.kernels[0].is_deferred;
#include <cstdint>

#include "jit/compile/derivation.hpp"

namespace kroton::jit::cuda {

/// What sizes are expected to be that nothing is known of: small batches are what most training
/// has.
inline constexpr std::int64_t expected_size = 128;

/// Texts of the plan's kernels come first, in their order, as those of any target do. Of the ways
/// of computing a step that sizes choose from, all are deferred but those for sizes that are known,
/// or `unknown_size`. So is what cuBLASLt computes at such sizes.
Texts render_for_device(const plan::Plan& plan, const Tamper& tamper,
                        std::int64_t unknown_size = expected_size);

} // namespace kroton::jit::cuda
