#pragma once
/// What the user asked `function()` for, checked: see capture.hpp.
#include <string>
#include <vector>

#include <kroton/options.hpp>

namespace kroton::jit {

struct Signature {
  std::string name;
  Location where;
  std::vector<Expr> inputs;
  std::vector<Expr> outputs;
  std::vector<Update> updates; ///< explicit ones, then those that random streams bring
  /// All nodes that outputs and new values are made of, inputs before users.
  std::vector<const ir::Node*> order = {};
};

} // namespace kroton::jit
