#include "jit/bound/sizes.hpp"

namespace kroton::jit {

int SizeTable::add(std::int64_t value) {
  code_.initial.push_back(value);
  return static_cast<int>(code_.initial.size()) - 1;
}

int SizeTable::slot(const Dim& d) {
  if (const auto it = slots_.find(d); it != slots_.end()) return it->second;
  int s = 0;
  if (d.is_static()) {
    s = add(d.value());
  } else if (const ir::DimNode& n = *d.node();
             n.kind == ir::DimKind::symbol || n.kind == ir::DimKind::scalar) {
    s = add(0);
  } else if (n.kind == ir::DimKind::negative) {
    s = add(-n.a.value());
  } else {
    const int a = slot(n.a), b = slot(n.b);
    s = add(0);
    code_.code.push_back({n.kind, s, a, b});
  }
  slots_.emplace(d, s);
  return s;
}

int SizeTable::number_slot(std::int64_t value) {
  const auto [it, is_new] = numbers_.try_emplace(value, -1);
  if (is_new) it->second = add(value);
  return it->second;
}

std::vector<int> SizeTable::slots(std::span<const Dim> dims) {
  std::vector<int> result;
  result.reserve(dims.size());
  for (const Dim& d : dims) result.push_back(slot(d));
  return result;
}

const SizeCode::Instruction* SizeCode::run(std::int64_t* v) const noexcept {
  for (const Instruction& i : code)
    if (!ir::dims::apply(i.kind, v[i.a], v[i.b], v[i.target])) [[unlikely]]
      return &i;
  return nullptr;
}

} // namespace kroton::jit
