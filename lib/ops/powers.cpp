/// Powers, roots and logarithms to other bases.
#include <cmath>
#include <numbers>

#include <kroton/ops/powers.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/powers.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Dtypes;
using ir::GradContext;
using ir::Kind;
using ir::Property;

using Grads = std::vector<Expr>;

} // namespace

const Op exp2{
    .name = "exp2",
    .kind = Kind::elementwise,
    .properties = Property::increasing | Property::injective,
    .dtypes = Dtypes::floating,
    .cost = 10,
    .spelling = "exp2_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::exp2(v[0]); },
    .gradient = [](const GradContext& c) { return Grads{std::numbers::ln2 * c.grad * c.output}; },
    .domain = {{-8, 8}},
    .accuracy = {.f32 = 1.25, .f64 = 1.25, .method = "as exp; the reduction is exact"},
    .doc = "2^a"};
const Op log2{
    .name = "log2",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 12,
    .spelling = "log2_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::log2(v[0]); },
    .gradient =
        [](const GradContext& c) { return Grads{std::numbers::log2e * c.grad / c.inputs[0]}; },
    .domain = {{0.125, 8}},
    .accuracy = {.f32 = 1.5,
                 .f64 = 1.25,
                 .method = "as log; the sum of exponent and logarithm in two parts"},
    .doc = "the logarithm to base 2"};
const Op log10{
    .name = "log10",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 12,
    .spelling = "log10_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::log10(v[0]); },
    .gradient =
        [](const GradContext& c) { return Grads{std::numbers::log10e * c.grad / c.inputs[0]}; },
    .domain = {{0.125, 8}},
    .accuracy = {.f32 = 1.25, .f64 = 1.25, .method = "as log2"},
    .doc = "the logarithm to base 10"};

const Op cbrt{
    .name = "cbrt",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 20,
    .spelling = "cbrt_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::cbrt(v[0]); },
    .gradient = [](const GradContext& c) { return Grads{c.grad / (3.0 * (c.output * c.output))}; },
    .domain = {{0.25, 8}},
    .accuracy = {.f32 = 1.25, .f64 = 1.25, .method = "polynomial for the inverse root, Newton"},
    .doc = "the cube root"};
const Op hypot{.name = "hypot",
               .arity = 2,
               .kind = Kind::elementwise,
               .dtypes = Dtypes::floating,
               .cost = 12,
               .spelling = "hypot_{t}({0}, {1})",
               .infer = infer_elementwise,
               .eval_float = [](const auto* v) { return std::hypot(v[0], v[1]); },
               .gradient =
                   [](const GradContext& c) {
                     const Expr& h = c.output;
                     const Expr is_origin = h == 0;
                     return Grads{c.grad * kroton::where(is_origin, 0, c.inputs[0] / h),
                                  c.grad * kroton::where(is_origin, 0, c.inputs[1] / h)};
                   },
               .domain = {{-4, 4}, {0.5, 4}},
               .accuracy = {.f32 = 0.51,
                            .f64 = 1.25,
                            .method = "f32 in f64 arithmetic; f64 scaled by a power of two"},
               .doc = "sqrt(a^2 + b^2), which neither overflows nor underflows"};

std::span<const Op* const> powers_rows() {
  static constexpr const Op* rows[] = {&exp2, &log2, &log10, &cbrt, &hypot};
  return rows;
}

} // namespace ops

Expr exp2(Operand a) { return ops::elementwise(ops::exp2, {&a}); }
Expr log2(Operand a) { return ops::elementwise(ops::log2, {&a}); }
Expr log10(Operand a) { return ops::elementwise(ops::log10, {&a}); }
Expr cbrt(Operand a) { return ops::elementwise(ops::cbrt, {&a}); }
Expr hypot(Operand a, Operand b) { return ops::elementwise(ops::hypot, {&a, &b}); }
Expr square(Operand a) {
  const Operand e(ops::to_expr(a), a.where);
  return e * e;
}
Expr reciprocal(Operand a) {
  const Operand one(1, a.where);
  return one / std::move(a);
}
Expr rsqrt(Operand a) {
  const Location where = a.where;
  return Operand(1, where) / Operand(sqrt(std::move(a)), where);
}

} // namespace kroton
