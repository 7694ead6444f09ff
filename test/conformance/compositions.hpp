#pragma once
/// Ops of the table applied to each other: what the table has is composed, so that a new row is
/// composed with all others without being listed anywhere.
///
///   for (const Form& f : elementwise_forms(DType::i32))      // ops, casts to each dtype, places
///     f.apply(x, others)                                     // the op with x in that place
#include <string>
#include <vector>

#include "test/conformance/subjects.hpp"

namespace kroton::test {

/// Operands of a dtype to fill the other places of an op with.
using Others = std::function<Expr(DType)>;

/// An op that takes a dtype, and the place where it takes it.
struct Form {
  const Op* op = nullptr;
  int place = 0;
  DType target = DType::bool_; ///< of a cast

  Expr apply(const Expr& x, const Others& others) const;
  /// The dtype of the result, given that of the operand in this place.
  DType result(DType t) const;
  std::string label() const;
};

/// Every elementwise op with every place that takes `t`.
std::vector<Form> elementwise_forms(DType t);
/// Every reduction that takes `t`.
std::vector<const Op*> folds_of(DType t);
/// The dtype of a fold's result.
DType result_of(const Op& fold, DType t);
Expr folded(const Op& op, const Expr& x, std::vector<std::int64_t> axes);

} // namespace kroton::test
