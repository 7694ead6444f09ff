#pragma once
/// Steps of a plan as one C++ text: the functions of their kernels, and one that calls them in
/// order.
///
///   const Sequence s = sequences_for_cpu(plan, schedules, 64)[0];
///   KernelSource text = render_sequence(plan, s, schedules, 64);
///
/// The text defines `extern "C" void kernel(rt, buffers, sizes)` with
///   buffers: a pointer for each buffer of the plan, by its number
///   sizes:   the draws of the steps' random values, step after step
/// All other sizes are known and are numbers in the text. A failure is reported with the number
/// that it has in the last step.
#include <span>

#include "codegen/cpp/render.hpp"
#include "codegen/schedule/sequence.hpp"

namespace kroton::codegen {

KernelSource render_sequence(const plan::Plan& plan, const Sequence& sequence,
                             std::span<const CpuSchedule> schedules, int vector_bytes);

} // namespace kroton::codegen
