#include "codegen/schedule/facts.hpp"

#include <algorithm>

namespace kroton::codegen {

Dim step_along(const plan::Access& access, int axis) {
  for (const plan::Term& t : access.terms)
    if (t.axis == axis) return t.coefficient;
  return Dim(0);
}

bool has_loop(const plan::Kernel& k, const plan::Stage& s) {
  return !s.loop.stores.empty() || std::ranges::any_of(s.reductions, [&](int r) {
    return folds_in_loop(k, k.reductions[static_cast<std::size_t>(r)]);
  });
}

bool folds_lanes(const plan::Reduction& r, int axis) {
  return !r.has_array() || r.kept.empty() || step_along(r.array, axis).is(0);
}

} // namespace kroton::codegen
