#include "jit/sizes.hpp"

#include <algorithm>

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

std::vector<int> SizeTable::slots(std::span<const Dim> dims) {
  std::vector<int> result;
  result.reserve(dims.size());
  for (const Dim& d : dims) result.push_back(slot(d));
  return result;
}

void SizeCode::run(std::int64_t* v) const {
  for (const Instruction& i : code) {
    const std::int64_t a = v[i.a], b = v[i.b];
    std::int64_t& to = v[i.target];
    switch (i.kind) {
    case ir::DimKind::add:
      to = a + b;
      break;
    case ir::DimKind::mul:
      to = a * b;
      break;
    case ir::DimKind::floor_div:
      to = b == 0 ? 0 : a >= 0 ? a / b : -((-a + b - 1) / b);
      break;
    case ir::DimKind::min:
      to = std::min(a, b);
      break;
    default:
      to = std::max(a, b);
      break;
    }
  }
}

} // namespace kroton::jit
