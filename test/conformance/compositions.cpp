#include "test/conformance/compositions.hpp"

#include "lib/ops/basic.hpp"
#include "lib/ops/table.hpp"
#include "test/conformance/arrays.hpp"
#include "test/support/params.hpp"

namespace kroton::test {
namespace {

/// Whether an op's first operand is a condition, and its dtype that of the others.
bool has_condition(const Op& op) { return &op == &ops::where; }

} // namespace

Expr Form::apply(const Expr& x, const Others& others) const {
  std::vector<Expr> inputs;
  for (int i = 0; i < op->arity; ++i) {
    const DType t = !has_condition(*op) || (place > 0 && i > 0) ? x.dtype()
                    : i == 0                                    ? DType::bool_
                                                                : target;
    inputs.push_back(i == place ? x : others(t));
  }
  return ir::make(*op, std::move(inputs), elementwise_params(*op, target), Location::current());
}

DType Form::result(DType t) const {
  if (has_condition(*op)) return place == 0 ? target : t;
  return op->result == ir::Result::cast      ? target
         : op->result == ir::Result::boolean ? DType::bool_
                                             : t;
}

std::string Form::label() const {
  const std::string to = op == &ops::cast ? " to " + std::string(to_string(target)) : std::string();
  return op->arity == 1 ? std::string(op->name) + to : fmt::format("{}.{}", op->name, place);
}

std::vector<Form> elementwise_forms(DType t) {
  std::vector<Form> forms;
  for (const Op* op : ops::all()) {
    if (!op->is(ir::Kind::elementwise) || !takes(*op, t)) continue;
    const auto add = [&](int place, DType target) { forms.push_back({op, place, target}); };
    if (op == &ops::cast)
      for (DType target : all_dtypes) add(0, target);
    else
      for (int place = 0; place < op->arity; ++place) {
        // A condition chooses between values of some dtype.
        if (has_condition(*op) && place == 0 && !is_bool(t)) continue;
        add(place, has_condition(*op) && place == 0 ? DType::i64 : t);
      }
  }
  return forms;
}

std::vector<const Op*> folds_of(DType t) {
  std::vector<const Op*> folds;
  for (const Op* op : ops::all())
    if (op->is_reduction() && takes(*op, t)) folds.push_back(op);
  return folds;
}

DType result_of(const Op& fold, DType t) {
  return fold.result == ir::Result::position ? DType::i64 : t;
}

Expr folded(const Op& op, const Expr& x, std::vector<std::int64_t> axes) {
  return ir::make(op, {x}, ops::AxesParams{std::move(axes)}, Location::current());
}

} // namespace kroton::test
