#include "codegen/schedule/facts.hpp"

#include <algorithm>

namespace kroton::codegen {

Dim step_along(const plan::Access& access, int axis) {
  for (const plan::Term& t : access.terms)
    if (t.axis == axis) return t.coefficient;
  return Dim(0);
}

bool is_same_element(const plan::Access& a, const plan::Access& b) {
  namespace dims = ir::dims;
  return a.param == b.param && a.scratch == b.scratch && a.computed.empty() && b.computed.empty() &&
         dims::same(a.offset, b.offset) &&
         std::ranges::equal(a.terms, b.terms, [](const plan::Term& x, const plan::Term& y) {
           return x.axis == y.axis && dims::same(x.coefficient, y.coefficient);
         });
}

bool is_written(const plan::Kernel& k, const plan::Access& a) {
  return a.param < 0 || k.params[static_cast<std::size_t>(a.param)].is_written;
}

bool may_overwrite(const plan::Kernel& k, const plan::Block& stored, const plan::Block& read) {
  return std::ranges::any_of(stored.stores, [&](const plan::Store& s) {
    const DType dtype = k.params[static_cast<std::size_t>(s.access.param)].dtype;
    return std::ranges::any_of(read.values, [&](int id) {
      const plan::Value& v = k.values[static_cast<std::size_t>(id)];
      return v.kind == plan::ValueKind::load && v.dtype == dtype;
    });
  });
}

bool is_used(const plan::Kernel& k, int value) {
  bool is = false;
  for (const plan::Value& v : k.values) {
    is = is || std::ranges::find(v.inputs, value) != v.inputs.end() ||
         std::ranges::find(v.access->computed, value, &plan::ComputedTerm::value) !=
             v.access->computed.end();
  }
  plan::for_each_block(k, [&](const plan::Block& b) {
    is = is || std::ranges::find(b.stores, value, &plan::Store::value) != b.stores.end();
  });
  return is ||
         std::ranges::find(k.reductions, value, &plan::Reduction::value) != k.reductions.end();
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
