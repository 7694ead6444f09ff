#include "lib/plan/alias.hpp"

#include <algorithm>

namespace kroton::plan {
namespace dims = ir::dims;
namespace {

bool same_terms(const Access& a, const Access& b) {
  if (!a.computed.empty() || !b.computed.empty() || !dims::same(a.offset, b.offset) ||
      a.terms.size() != b.terms.size())
    return false;
  return std::ranges::all_of(a.terms, [&](const Term& t) {
    return std::ranges::any_of(b.terms, [&](const Term& u) {
      return t.axis == u.axis && dims::same(t.coefficient, u.coefficient);
    });
  });
}

bool is_folded_into(const Kernel& kernel, int param) {
  return std::ranges::any_of(kernel.reductions,
                             [&](const Reduction& r) { return r.array.param == param; });
}

} // namespace

bool may_overwrite(const Kernel& kernel, int out, const std::function<bool(const Value&)>& is_old) {
  if (is_folded_into(kernel, out)) return false;
  const Store* store = nullptr;
  int number = 0, store_block = 0, stores = 0;
  std::vector<std::pair<int, const Value*>> loads;
  for_each_block(kernel, [&](const Block& b) {
    for (int id : b.values) {
      const Value& v = kernel.values[static_cast<std::size_t>(id)];
      if (v.kind == ValueKind::load && is_old(v)) loads.emplace_back(number, &v);
    }
    for (const Store& s : b.stores) {
      if (s.access.param != out) continue;
      store = &s;
      store_block = number;
      ++stores;
    }
    ++number;
  });
  if (stores != 1) return false;
  const int first_finish = number - static_cast<int>(kernel.finish.size());
  return std::ranges::all_of(loads, [&](const auto& load) {
    const auto& [block, value] = load;
    if (store_block >= first_finish && block < first_finish) return true;
    return block <= store_block && same_terms(value->access, store->access);
  });
}

std::vector<int> overwritable_by(const Kernel& kernel, int out) {
  std::vector<int> found;
  for (std::size_t p = 0; p < kernel.params.size(); ++p) {
    const Param& param = kernel.params[p];
    const int in = static_cast<int>(p);
    if (in == out || !param.is_read || param.is_written || is_folded_into(kernel, in) ||
        param.dtype != kernel.params[static_cast<std::size_t>(out)].dtype)
      continue;
    const auto is_old = [&](const Value& v) { return v.access->param == in; };
    if (may_overwrite(kernel, out, is_old)) found.push_back(in);
  }
  return found;
}

Lowered with_aliases(Lowered lowered, std::span<const Alias> aliases) {
  const std::vector<NodeId> nodes = lowered.params;
  const auto index_of = [&](NodeId id) { return std::ranges::find(nodes, id) - nodes.begin(); };
  std::vector<std::ptrdiff_t> merged_into(nodes.size(), -1);
  for (const Alias& a : aliases)
    if (const std::ptrdiff_t gone = index_of(a.value), stays = index_of(a.over);
        gone < std::ssize(nodes) && stays < std::ssize(nodes)) {
      merged_into[static_cast<std::size_t>(gone)] = stays;
      lowered.params[static_cast<std::size_t>(stays)] = a.value;
      Param& p = lowered.kernel.params[static_cast<std::size_t>(stays)];
      p.is_read = p.is_written = true;
    }
  Kernel& k = lowered.kernel;
  std::vector<int> number(nodes.size());
  std::vector<Param> params;
  std::vector<NodeId> kept;
  for (std::size_t p = 0; p < nodes.size(); ++p) {
    if (merged_into[p] >= 0) continue;
    number[p] = static_cast<int>(params.size());
    params.push_back(k.params[p]);
    kept.push_back(lowered.params[p]);
  }
  for (std::size_t p = 0; p < nodes.size(); ++p)
    if (merged_into[p] >= 0) number[p] = number[static_cast<std::size_t>(merged_into[p])];
  k.params = std::move(params);
  lowered.params = std::move(kept);
  for_each_access(k, [&](Access& a) {
    if (a.param >= 0) a.param = number[static_cast<std::size_t>(a.param)];
  });
  return lowered;
}

} // namespace kroton::plan
