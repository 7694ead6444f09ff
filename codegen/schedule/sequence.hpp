#pragma once
/// Which steps of a plan run as one function on a CPU, decided before any text is written.
///
///   for (const Sequence& s : sequences_for_cpu(plan, schedules, 64))
///     render_sequence(plan, s, schedules, 64);   // codegen/program/sequence.hpp
///
/// A step of a microsecond or less costs a call of its own as much again: its arguments are
/// gathered, its loops set up for any number of threads, and what it stores is loaded by the next.
#include <span>
#include <vector>

#include "codegen/schedule/cpu.hpp"
#include "codegen/schedule/product.hpp"
#include "lib/plan/plan.hpp"

namespace kroton::codegen {

/// Steps that follow each other, at least two. Only the last one may be fallible: after a failure
/// no later step may run.
struct Sequence {
  int first = 0, count = 0;
  /// Arrays between these steps that no other step sees: they are variables of the function, each
  /// with its bytes.
  std::vector<std::pair<int, std::int64_t>> locals;
};

/// What is known of a product while its function is compiled.
ContractionShape product_shape(const plan::ContractionStep& step, int vector_bytes);

/// `schedules` are those of the plan's kernels, for registers of `vector_bytes`.
std::vector<Sequence> sequences_for_cpu(const plan::Plan& plan,
                                        std::span<const CpuSchedule> schedules, int vector_bytes);

} // namespace kroton::codegen
