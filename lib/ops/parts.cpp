/// Ops with several results. Their node is no array: each result is a `part` of it. Those whose
/// results are each another op's have no kernel, and become these ops (rewrite/rules/parts): in one
/// kernel, where they read the same arrays.
#include <cmath>
#include <limits>

#include <kroton/ops/parts.hpp>

#include "lib/ir/eval.hpp"
#include "lib/ops/arithmetic.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/parts.hpp"
#include "lib/ops/reduction.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Dtypes;
using ir::EvalContext;
using ir::GradContext;
using ir::InferContext;
using ir::Kind;
using ir::Type;

Type infer_part(InferContext& c) {
  const std::vector<Type>& parts = *c.in(0).parts;
  const std::size_t k = ir::part_of(c);
  KROTON_CHECK(k < parts.size(), "part {} of {}", k, c.in(0).to_string());
  return parts[k];
}

/// The type that `by` gives the same inputs.
Type infer_as(const Op& by, InferContext& c) {
  InferContext own{by,
                   c.inputs,
                   c.params,
                   c.exprs,
                   c.where,
                   c.constraints,
                   c.written.empty() ? c.op.name : c.written};
  return by.infer(own);
}

Type infer_max_and_argmax(InferContext& c) {
  return ir::type_of_parts({infer_as(max, c), infer_as(argmax, c)});
}
Type infer_divmod(InferContext& c) {
  const Type both = infer_as(floor_div, c);
  return ir::type_of_parts({both, both});
}
Type infer_frexp(InferContext& c) {
  return ir::type_of_parts({c.in(0), {DType::i32, c.in(0).shape}});
}

std::vector<Array> eval_max_and_argmax(const EvalContext& c) {
  return {max.eval(c.of_result(0, max)), argmax.eval(c.of_result(1, argmax))};
}
std::vector<Array> eval_divmod(const EvalContext& c) {
  return {ir::evaluate_elementwise(c.of_result(0, floor_div)),
          ir::evaluate_elementwise(c.of_result(1, mod))};
}
std::vector<Array> eval_frexp(const EvalContext& c) {
  return {ir::evaluate_elementwise(c.of_result(0, frexp_mantissa)),
          ir::evaluate_elementwise(c.of_result(1, frexp_exponent))};
}

using Grads = std::vector<Expr>;

Grads grad_max_and_argmax(const GradContext& c) {
  return c.grads[0].node() ? max.gradient(c) : Grads{Expr(nullptr)};
}
Grads grad_divmod(const GradContext& c) {
  const Expr &quotient = c.outputs[0], &to_remainder = c.grads[1];
  if (!to_remainder.node()) return {Expr(nullptr), Expr(nullptr)};
  return {to_remainder, -(to_remainder * quotient)};
}
/// The mantissa's derivative is 2^-exponent.
Grads grad_frexp(const GradContext& c) {
  const Expr &x = c.inputs[0], &mantissa = c.outputs[0], &to_mantissa = c.grads[0];
  if (!to_mantissa.node()) return {Expr(nullptr)};
  const Expr is_scaled = kroton::abs(x) < std::numeric_limits<double>::infinity() && x != 0.0;
  return {to_mantissa * kroton::where(is_scaled, mantissa / x, 1.0)};
}

constexpr auto mantissa_of = []<class T>(const T* v) -> T {
  int exponent = 0;
  return std::frexp(v[0], &exponent);
};
constexpr auto exponent_of = []<class T>(const T* v) -> T {
  int exponent = 0;
  std::frexp(v[0], &exponent);
  return std::isfinite(v[0]) ? static_cast<T>(exponent) : T(0);
};

std::vector<ir::Example> examples_of_max_and_argmax(DType t) {
  const Expr x = tensor(t, {3, dim("m")}, "x");
  const auto [top, at] = kroton::max_and_argmax(x, 0);
  return {{top}, {at}};
}
std::vector<ir::Example> examples_of_divmod(DType t) {
  if (is_bool(t)) return {};
  const Expr a = tensor(t, {dim("n"), dim("m")}, "a"), b = tensor(t, {dim("m")}, "b");
  const auto [quotient, remainder] = kroton::divmod(a, b);
  return {{quotient}, {remainder}};
}
std::vector<ir::Example> examples_of_frexp(DType t) {
  if (!is_float(t)) return {};
  const auto [mantissa, exponent] = kroton::frexp(tensor(t, {dim("n"), dim("m")}, "x"));
  return {{mantissa}, {exponent}};
}

} // namespace

const Op part{.name = "part",
              .kind = Kind::part,
              .params = &ir::params_type<ir::PartParams>,
              .infer = infer_part,
              .examples = examples_of_max_and_argmax,
              .doc = "one of the results of an op with several"};
const Op max_and_argmax{.name = "max-and-argmax",
                        .kind = Kind::several,
                        .params = &ir::params_type<AxesParams>,
                        .infer = infer_max_and_argmax,
                        .eval_all = eval_max_and_argmax,
                        .batched = reduction_over,
                        .gradient = grad_max_and_argmax,
                        .domain = {{}},
                        .examples = examples_of_max_and_argmax,
                        .doc = "the largest element of an axis, and its position"};
const Op divmod{.name = "divmod",
                .arity = 2,
                .kind = Kind::several,
                .dtypes = Dtypes::numeric,
                .infer = infer_divmod,
                .eval_all = eval_divmod,
                .batched = elementwise_over,
                .gradient = grad_divmod,
                .domain = {{-20, 20, false}, {1, 5, false}},
                .examples = examples_of_divmod,
                .doc = "floor_div and mod at once"};
const Op frexp{.name = "frexp",
               .kind = Kind::several,
               .dtypes = Dtypes::floating,
               .infer = infer_frexp,
               .eval_all = eval_frexp,
               .batched = elementwise_over,
               .gradient = grad_frexp,
               .domain = {{-8, 8, false}},
               .examples = examples_of_frexp,
               .doc = "the m and e with a = m 2^e, m in [1/2, 1)"};
const Op frexp_mantissa{.name = "frexp-mantissa",
                        .kind = Kind::elementwise,
                        .dtypes = Dtypes::floating,
                        .cost = 4,
                        .spelling = "frexp_mantissa_{t}({0})",
                        .infer = infer_elementwise,
                        .eval_float = mantissa_of,
                        .domain = {{-8, 8, false}},
                        .doc = "the m of a = m 2^e, m in [1/2, 1)"};
/// A whole number in the input's dtype.
const Op frexp_exponent{.name = "frexp-exponent",
                        .kind = Kind::elementwise,
                        .dtypes = Dtypes::floating,
                        .cost = 4,
                        .spelling = "frexp_exponent_{t}({0})",
                        .infer = infer_elementwise,
                        .eval_float = exponent_of,
                        .domain = {{-8, 8, false}},
                        .doc = "the e of a = m 2^e, m in [1/2, 1)"};

std::span<const Op* const> parts_rows() {
  static constexpr const Op* rows[] = {&part,  &max_and_argmax, &divmod,
                                       &frexp, &frexp_mantissa, &frexp_exponent};
  return rows;
}

Expr part_at(const Expr& several, std::size_t index, Location where) {
  return ir::make(part, {several}, ir::PartParams{static_cast<std::int64_t>(index)}, where);
}

} // namespace ops

QuotientAndRemainder divmod(Operand a, Operand b) {
  const Expr both = ops::elementwise(ops::divmod, {&a, &b});
  return {ops::part_at(both, 0, both.where()), ops::part_at(both, 1, both.where())};
}

MantissaAndExponent frexp(Operand a) {
  const Expr both = ops::elementwise(ops::frexp, {&a});
  return {ops::part_at(both, 0, a.where), ops::part_at(both, 1, a.where)};
}

} // namespace kroton
