#pragma once
/// What code generation and drivers may rely on in a kernel and in a plan, as checks.
///
///   check_kernel(kernel);               // after lowering, and again once it is final
///   check_plan(plan, options);          // at the end of make_plan
///
/// They run where PlanOptions::is_checked says so.
#include "lib/plan/plan.hpp"

namespace kroton::plan {

/// - each value but a literal that nobody reads is computed in one block, and read only where it
/// and the loops around it are in
///   scope: what a row computes in later stages too, what a loop computes there alone
/// - accesses name parameters, scratch arrays and axes that there are, each axis once at most, and
///   only axes whose loops are around them
/// - dtypes agree: of loads and stores with their array, of folds with what they fold
/// - a parameter is read or written if it says so
/// - each reduction is folded in one stage; the result of one over all rows is read in the finish
///   only, that of another after its stage's loop
/// - each computed position has a failure site of its own
///
/// Throws InternalError that names the kernel, and the value or reduction.
void check_kernel(const Kernel& kernel);

/// What docs/architecture.md says of groups: members' order, axes, sites and levels. Throws
/// InternalError that names the member.
void check_group(const Graph& graph, const Group& group);

/// - each group is a kernel that one step runs, and the group's members are laid out as
///   docs/architecture.md says
/// - each node that is stored is computed by exactly one step, and each output and each new value
///   of a shared variable by some step, into the buffer of its own
/// - a step reads only what is in its buffers by then: neither what a later step computes nor
/// what
///   an earlier one has written over, in the same buffer or in another of the same slot
/// - a step's `reads` and `writes` are what its kernel or library call reads and writes
/// - a step writes over what its aliases say and nothing else, and its kernel or library call reads
///   each element of that no later than it writes it
/// - buffers fit their slots, and have the dtype and shape of their node
/// - a shared variable's memory is overwritten by its own new value alone, in a step that cannot
///   fail and that no step that can fail follows
///
/// Throws InternalError that names the step, and the node or buffer.
void check_plan(const Plan& plan, const PlanOptions& options);

} // namespace kroton::plan
