#pragma once
/// The inputs that an expression reads.
///
///   const Function f = function(inputs_of(e), e);
#include <algorithm>
#include <vector>

#include <kroton/expr.hpp>

#include "lib/ops/basic.hpp"

namespace kroton::test {

/// Each once, in the order in which the expression comes to them.
inline std::vector<Expr> inputs_of(const Expr& root) {
  std::vector<Expr> inputs;
  const auto add = [&](const Expr& e) {
    const auto is_same = [&](const Expr& i) {
      return i.node()->params.leaf() == e.node()->params.leaf();
    };
    if (e.node()->op == &ops::input && std::ranges::none_of(inputs, is_same)) inputs.push_back(e);
  };
  for (const ir::Node* n : ir::topological_order({&root, 1}))
    for (const Expr& e : n->inputs) add(e);
  add(root);
  return inputs;
}

} // namespace kroton::test
