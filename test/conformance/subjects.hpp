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
/// Inputs, what is made of them, and the shapes of the inputs in each call.
struct Subject {
  std::vector<Expr> inputs;
  std::vector<Case> cases;
  std::vector<std::vector<Shape>> calls;
  /// Elements of integer inputs: [lo, hi); moderate ones if empty.
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> ranges = {};
};

using Builder = std::function<Subject(DType)>;

/// Whether an op computes in a dtype.
bool takes(const Op& op, DType t);

Subject reductions(const Op& op, DType t);
Subject movement(DType t);
Subject products(DType t);
Subject indexing(DType t);
Subject leaves(DType t);

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
