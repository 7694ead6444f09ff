/// Comparison, logic, selection and conversion.
#include <cmath>
#include <limits>

#include "lib/ops/build.hpp"
#include "lib/ops/range.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Dtypes;
using ir::GradContext;
using ir::InferContext;
using ir::Result;
using ir::Trait;
using ir::Type;
using ir::Wide;

Type infer_where(InferContext& c) {
  if (!is_bool(c.in(0).dtype))
    c.fail<TypeError>("compare first, as in where(x > 0, …)", "the condition must be bool, got {}",
                      c.label(0));
  return {c.in(1).dtype, broadcast_shapes(c)};
}

Type infer_cast(InferContext& c) { return {c.attrs.dtype, c.in(0).shape}; }

Array eval_cast(const ir::EvalContext& c) {
  // Widened floats keep double precision: a cast between float dtypes is then the identity.
  if (is_float(c.declared) && c.dtype == DType::f64) return c.inputs[0].astype(DType::f64);
  return c.inputs[0].astype(c.dtype);
}

std::vector<Expr> no_gradient(const GradContext& c) {
  return std::vector<Expr>(c.inputs.size(), Expr(nullptr));
}

} // namespace

const Op equal{.name = "equal",
               .arity = 2,
               .traits = Trait::elementwise | Trait::commutative,
               .result = Result::boolean,
               .spelling = "{0} == {1}",
               .infer = infer_elementwise,
               .eval_float = []<class T>(const T* v) { return T(v[0] == v[1]); },
               .eval_int = [](const Wide* v) { return Wide(v[0] == v[1]); },
               .gradient = no_gradient,
               .domain = {{-2, 2, false}}};
const Op not_equal{.name = "not-equal",
                   .arity = 2,
                   .traits = Trait::elementwise | Trait::commutative,
                   .result = Result::boolean,
                   .spelling = "{0} != {1}",
                   .infer = infer_elementwise,
                   .eval_float = []<class T>(const T* v) { return T(v[0] != v[1]); },
                   .eval_int = [](const Wide* v) { return Wide(v[0] != v[1]); },
                   .gradient = no_gradient,
                   .domain = {{-2, 2, false}}};
const Op less{.name = "less",
              .arity = 2,
              .traits = Trait::elementwise,
              .result = Result::boolean,
              .spelling = "{0} < {1}",
              .infer = infer_elementwise,
              .eval_float = []<class T>(const T* v) { return T(v[0] < v[1]); },
              .eval_int = [](const Wide* v) { return Wide(v[0] < v[1]); },
              .range = range_at_ends,
              .gradient = no_gradient,
              .domain = {{-2, 2, false}}};
const Op less_equal{.name = "less-equal",
                    .arity = 2,
                    .traits = Trait::elementwise,
                    .result = Result::boolean,
                    .spelling = "{0} <= {1}",
                    .infer = infer_elementwise,
                    .eval_float = []<class T>(const T* v) { return T(v[0] <= v[1]); },
                    .eval_int = [](const Wide* v) { return Wide(v[0] <= v[1]); },
                    .range = range_at_ends,
                    .gradient = no_gradient,
                    .domain = {{-2, 2, false}}};
const Op greater{.name = "greater",
                 .arity = 2,
                 .traits = Trait::elementwise,
                 .result = Result::boolean,
                 .spelling = "{0} > {1}",
                 .infer = infer_elementwise,
                 .eval_float = []<class T>(const T* v) { return T(v[0] > v[1]); },
                 .eval_int = [](const Wide* v) { return Wide(v[0] > v[1]); },
                 .range = range_at_ends,
                 .gradient = no_gradient,
                 .domain = {{-2, 2, false}}};
const Op greater_equal{.name = "greater-equal",
                       .arity = 2,
                       .traits = Trait::elementwise,
                       .result = Result::boolean,
                       .spelling = "{0} >= {1}",
                       .infer = infer_elementwise,
                       .eval_float = []<class T>(const T* v) { return T(v[0] >= v[1]); },
                       .eval_int = [](const Wide* v) { return Wide(v[0] >= v[1]); },
                       .range = range_at_ends,
                       .gradient = no_gradient,
                       .domain = {{-2, 2, false}}};
const Op logical_and{.name = "logical-and",
                     .arity = 2,
                     .traits = Trait::elementwise | Trait::commutative,
                     .dtypes = Dtypes::boolean,
                     .spelling = "{0} & {1}",
                     .infer = infer_elementwise,
                     .eval_int = [](const Wide* v) { return Wide(v[0] != 0 && v[1] != 0); },
                     .range = range_at_ends,
                     .gradient = no_gradient,
                     .domain = {{0, 1, false}}};
const Op logical_or{.name = "logical-or",
                    .arity = 2,
                    .traits = Trait::elementwise | Trait::commutative,
                    .dtypes = Dtypes::boolean,
                    .spelling = "{0} | {1}",
                    .infer = infer_elementwise,
                    .eval_int = [](const Wide* v) { return Wide(v[0] != 0 || v[1] != 0); },
                    .range = range_at_ends,
                    .gradient = no_gradient,
                    .domain = {{0, 1, false}}};
const Op logical_not{.name = "logical-not",
                     .traits = Trait::elementwise,
                     .dtypes = Dtypes::boolean,
                     .spelling = "!{0}",
                     .infer = infer_elementwise,
                     .eval_int = [](const Wide* v) { return Wide(v[0] == 0); },
                     .range = range_at_ends,
                     .gradient = no_gradient,
                     .domain = {{0, 1, false}}};

const Op where{.name = "where",
               .arity = 3,
               .traits = Trait::elementwise,
               .spelling = "{0} ? {1} : {2}",
               .infer = infer_where,
               .eval_float = [](const auto* v) { return v[0] != 0 ? v[1] : v[2]; },
               .eval_int = [](const Wide* v) { return v[0] != 0 ? v[1] : v[2]; },
               .range = range_at_ends,
               .gradient =
                   [](const GradContext& c) {
                     const Expr zero = scalar_constant(c.grad.dtype(), 0, c.where);
                     return std::vector{Expr(nullptr), kroton::where(c.inputs[0], c.grad, zero),
                                        kroton::where(c.inputs[0], zero, c.grad)};
                   },
               .domain = {{0, 1, false}, {}}};

/// attrs.dtype is the target.
const Op cast{.name = "cast",
              .traits = Trait::elementwise,
              .result = Result::cast,
              .spell = [](DType from, DType to) -> std::string_view {
                return is_bool(to)                       ? "to_bool({0})"
                       : is_float(from) && !is_float(to) ? "to_{o}({0})"
                                                         : "({o})({0})";
              },
              .infer = infer_cast,
              .eval = eval_cast,
              .range = range_of_input,
              .gradient =
                  [](const GradContext& c) {
                    const DType from = c.inputs[0].dtype();
                    return std::vector{is_float(from) && is_float(c.grad.dtype())
                                           ? kroton::cast(c.grad, from)
                                           : Expr(nullptr)};
                  },
              .domain = {{-100, 100}}};

Expr cast_to(const Expr& e, DType dtype, Location where) {
  if (e.dtype() == dtype) return e;
  return ir::make(cast, {e}, {.dtype = dtype}, where);
}

} // namespace ops

Expr operator==(Operand a, Operand b) { return ops::elementwise(ops::equal, {&a, &b}); }
Expr operator!=(Operand a, Operand b) { return ops::elementwise(ops::not_equal, {&a, &b}); }
Expr operator<(Operand a, Operand b) { return ops::elementwise(ops::less, {&a, &b}); }
Expr operator<=(Operand a, Operand b) { return ops::elementwise(ops::less_equal, {&a, &b}); }
Expr operator>(Operand a, Operand b) { return ops::elementwise(ops::greater, {&a, &b}); }
Expr operator>=(Operand a, Operand b) { return ops::elementwise(ops::greater_equal, {&a, &b}); }
Expr operator&&(Operand a, Operand b) { return ops::elementwise(ops::logical_and, {&a, &b}); }
Expr operator||(Operand a, Operand b) { return ops::elementwise(ops::logical_or, {&a, &b}); }
Expr operator!(Operand a) { return ops::elementwise(ops::logical_not, {&a}); }
Expr where(Operand condition, Operand a, Operand b) {
  return ops::elementwise(ops::where, {&condition, &a, &b});
}
Expr cast(Operand a, DType dtype) { return ops::cast_to(ops::to_expr(a), dtype, a.where); }

} // namespace kroton
