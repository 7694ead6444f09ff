#pragma once
/// What of a kernel schedules are decided by and written from: facts, the same for every target.
///
///   step_along(access, axis).is(1)      // neighbours are side by side
///   folds_in_loop(kernel, reduction)
#include "lib/plan/kernel.hpp"

namespace kroton::codegen {

/// The factor of `axis` in an access; 0 if the access stays where it is.
Dim step_along(const plan::Access& access, int axis);

/// Whether two accesses without computed positions are the same element, with the same terms in the
/// same order.
bool is_same_element(const plan::Access& a, const plan::Access& b);

/// Whether the kernel writes what an access reads.
bool is_written(const plan::Kernel& k, const plan::Access& a);

/// Whether what a block stores may be where another, or it itself, loads from: a result may take
/// the place of an operand of its dtype.
bool may_overwrite(const plan::Kernel& k, const plan::Block& stored, const plan::Block& read);

/// Whether anything is made of a value; otherwise it is only there for its checks.
bool is_used(const plan::Kernel& k, int value);

/// Whether rows have a loop inside.
inline bool has_inner(const plan::Kernel& k) { return k.rows < static_cast<int>(k.axes.size()); }

/// Whether a reduction's running result is wider than what it folds.
inline bool is_stretched(const plan::Reduction& r) { return r.accumulator != r.dtype; }

/// Whether stretches of it are folded in a narrower variable first; elements of arrays are not.
inline bool is_stretched_variable(const plan::Reduction& r) {
  return is_stretched(r) && r.kept.empty();
}

/// Whether a reduction is folded for each element of the loop, or once a row.
inline bool folds_in_loop(const plan::Kernel& k, const plan::Reduction& r) {
  return !has_inner(k) || !r.kept.empty() || !r.reduced.empty();
}

/// Whether a stage does anything for each element of the inner axes.
bool has_loop(const plan::Kernel& k, const plan::Stage& s);

/// Whether a reduction keeps some of the inner axes and folds others.
inline bool is_partial_fold(const plan::Reduction& r) {
  return !r.kept.empty() && !r.reduced.empty();
}

/// Whether the lanes of a vector along `axis` are folded into one number.
bool folds_lanes(const plan::Reduction& r, int axis);

} // namespace kroton::codegen
