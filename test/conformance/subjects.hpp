#pragma once
/// What the conformance tests are made of: every op of the table in every form, as functions of
/// inputs with the shapes to call them with.
///
///   const Subject s = reductions(ops::sum, DType::f32);     // s.cases[0].expr of s.inputs
///   for (const Operands& o : layouts(t)) instances(o, t);   // elementwise ops
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <kroton/core.hpp>

#include "lib/ops/basic.hpp"

namespace kroton::test {

using ir::Op;

struct Case {
  std::string what;
  Expr expr;
};
/// The shapes of a subject's inputs in a call.
struct Call {
  std::vector<Shape> shapes;
  /// Elements of integer inputs, by name: [lo, hi); moderate ones if they are not here.
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> ranges = {};
};
/// Inputs, what is made of them, and calls.
struct Subject {
  std::vector<Expr> inputs;
  std::vector<Case> cases;
  std::vector<Call> calls;
};

using Builder = std::function<Subject(DType)>;

/// Whether an op computes in a dtype.
bool takes(const Op& op, DType t);

Subject reductions(const Op& op, DType t);
/// The examples in an op's row. Without cases if the op does not take the dtype, or if they call
/// libraries that there is nothing instead of on the target, a device or the CPU.
Subject examples(const Op& op, DType t, bool for_device);

/// Where the operands of one op come from.
struct Operands {
  std::string layout;
  std::vector<Expr> inputs;
  Expr condition, a, b;
  std::vector<Shape> shapes; ///< of the inputs, for a call
};

std::vector<Operands> layouts(DType t);

/// An elementwise op on operands.
struct Instance {
  const Op* op;
  DType target; ///< of a cast
  Expr expr;
  std::string label() const {
    return std::string(op->name) +
           (op == &ops::cast ? " to " + std::string(to_string(target)) : "");
  }
};

std::vector<Instance> instances(const Operands& o, DType t);

} // namespace kroton::test
