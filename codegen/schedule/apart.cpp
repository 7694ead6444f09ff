#include "codegen/schedule/apart.hpp"

#include <algorithm>
#include <cstdlib>

namespace kroton::codegen {

using namespace plan;

namespace {

constexpr int most_components = 4;

/// The number of components that an access along `axis` may be one of; 0 if it can be none.
int components(const Kernel& k, const Access& a, int axis) {
  const Dim step = step_along(a, axis);
  if (a.param < 0 || !a.computed.empty() || !step.is_static() || step.value() < 2 ||
      step.value() > most_components || is_bool(k.params[static_cast<std::size_t>(a.param)].dtype))
    return 0;
  return static_cast<int>(step.value());
}

/// Whether `b` is the component that is `by` places further than `a`.
bool is_moved(Access a, Access b, int by) {
  (by < 0 ? b : a).offset = ir::dims::add((by < 0 ? b : a).offset, Dim(std::abs(by)));
  return is_same_element(a, b);
}

} // namespace

std::optional<Apart> apart_load(const Kernel& k, int value, int axis) {
  const Access& own = k.values[static_cast<std::size_t>(value)].access;
  const int count = components(k, own, axis);
  if (count == 0) return std::nullopt;
  std::optional<Apart> found;
  for_each_block(k, [&](const Block& b) {
    if (std::ranges::find(b.values, value) == b.values.end()) return;
    const auto is_loaded = [&](int by) {
      return std::ranges::any_of(b.values, [&](int id) {
        const Value& v = k.values[static_cast<std::size_t>(id)];
        return v.kind == ValueKind::load && is_moved(own, v.access, by);
      });
    };
    int first = 0, last = 0; // of the components that are loaded, from this one
    while (last + 1 < count && is_loaded(last + 1)) ++last;
    while (last - first + 1 < count && is_loaded(first - 1)) --first;
    if (last - first + 1 == count) found = Apart{count, -first};
  });
  return found;
}

std::vector<const Store*> apart_stores(const Kernel& k, const Block& b, const Store& store,
                                       int axis) {
  const int count = components(k, store.access, axis);
  const auto stored = [&](int by) -> const Store* {
    const auto it = std::ranges::find_if(
        b.stores, [&](const Store& s) { return is_moved(store.access, s.access, by); });
    return it == b.stores.end() ? nullptr : &*it;
  };
  std::vector<const Store*> all;
  for (int by = 0; by < count; ++by) {
    const Store* const s = stored(by);
    if (!s) return {};
    all.push_back(s);
  }
  return all;
}

} // namespace kroton::codegen
