#pragma once
/// When a kernel may store a result in the memory of an array that it reads, and the kernel that
/// does so.
///
///   for (int in : overwritable_by(kernel, out)) …     // parameters; the placement chooses
///   Lowered final = with_aliases(std::move(lowered), aliases);
#include <functional>
#include <span>
#include <vector>

#include "lib/plan/lower.hpp"
#include "lib/plan/plan.hpp"

namespace kroton::plan {

/// Whether the memory of what the kernel stores to parameter `out` may be that of the array whose
/// elements the loads `is_old` read: every element is read at the place and no later than it is
/// written, or all of them before anything is written, in the finish. False if `out` is stored to
/// in several places, or folded into.
bool may_overwrite(const Kernel& kernel, int out, const std::function<bool(const Value&)>& is_old);

/// The parameters, read and not written, in whose memory what is stored to `out` may be.
std::vector<int> overwritable_by(const Kernel& kernel, int out);

/// The kernel whose parameters are one where an alias says that they share memory: that has the
/// place of the one that is overwritten, and the stored node. Aliases of other nodes than the
/// parameters' change nothing.
Lowered with_aliases(Lowered lowered, std::span<const Alias> aliases);

} // namespace kroton::plan
