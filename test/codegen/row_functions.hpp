#pragma once
/// The functions of numbers that the rows of ops name, so that a row is tested without being
/// listed.
///
///   for (const ir::Op* op : float_functions(1)) spelled(*op, DType::f32, "x");   // "exp_f32(x)"
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "lib/ops/table.hpp"

namespace kroton::test {

/// The text of an elementwise op in a dtype whose results are of that dtype too.
inline std::string spelled(const ir::Op& op, DType t, std::string_view a, std::string_view b = {}) {
  const std::string_view text = op.spelled(t, t).text;
  return fmt::format(fmt::runtime(text), a, b, fmt::arg("t", to_string(t)),
                     fmt::arg("o", to_string(t)));
}

/// Every elementwise op that makes floats of so many floats. Those of three operands choose.
inline std::vector<const ir::Op*> float_functions(int arity) {
  std::vector<const ir::Op*> functions;
  for (const ir::Op* op : ops::all())
    if (op->is(ir::Kind::elementwise) && op->arity == arity && op->eval_float &&
        op->result == ir::Result::same && op->dtypes != ir::Dtypes::integral &&
        op->dtypes != ir::Dtypes::boolean)
      functions.push_back(op);
  return functions;
}

/// Every elementwise op that makes integers of so many integers.
inline std::vector<const ir::Op*> integer_functions(int arity) {
  std::vector<const ir::Op*> functions;
  for (const ir::Op* op : ops::all())
    if (op->is(ir::Kind::elementwise) && op->arity == arity && op->eval_int &&
        op->result == ir::Result::same && op->dtypes != ir::Dtypes::floating &&
        op->dtypes != ir::Dtypes::boolean)
      functions.push_back(op);
  return functions;
}

} // namespace kroton::test
