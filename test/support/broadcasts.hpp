#pragma once
/// Whether two expressions broadcast with each other, which makers of random graphs ask beforehand.
///
///   if (broadcasts(a, b)) pool.push_back(a + b);
#include <algorithm>

#include <kroton/expr.hpp>

#include "lib/ir/dim.hpp"

namespace kroton::test {

inline bool broadcasts(const Expr& a, const Expr& b) {
  for (int i = 1; i <= std::min(a.rank(), b.rank()); ++i) {
    const Dim &x = a.shape()[static_cast<std::size_t>(a.rank() - i)],
              &y = b.shape()[static_cast<std::size_t>(b.rank() - i)];
    if (!x.is(1) && !y.is(1) && !ir::dims::same(x, y)) return false;
  }
  return true;
}

} // namespace kroton::test
