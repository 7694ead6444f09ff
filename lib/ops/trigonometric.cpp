/// Trigonometric and hyperbolic functions; floating dtypes only.
#include <cmath>
#include <numbers>

#include <kroton/ops/powers.hpp>
#include <kroton/ops/trigonometric.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/trigonometric.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Dtypes;
using ir::GradContext;
using ir::Kind;

using Grads = std::vector<Expr>;

constexpr double degree = std::numbers::pi / 180;

} // namespace

const Op sin{
    .name = "sin",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 16,
    .spelling = "sin_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::sin(v[0]); },
    .gradient = [](const GradContext& c) { return Grads{c.grad * kroton::cos(c.inputs[0])}; },
    .domain = {{-4, 4}},
    .accuracy = {.f32 = 1.75,
                 .f64 = 2.25,
                 .method =
                     "reduction by pi/2 in three parts, from 2^16 (f32) or 2^40 (f64; 2^20 without "
                     "fused multiply-add) on by the digits of 2/pi that count; polynomials"},
    .doc = "the sine of an angle in radians"};
const Op tan{
    .name = "tan",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 18,
    .spelling = "tan_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::tan(v[0]); },
    .gradient = [](const GradContext& c) { return Grads{c.grad * (1.0 + c.output * c.output)}; },
    .domain = {{-1.25, 1.25}},
    .accuracy = {.f32 = 3.25, .f64 = 3.5, .method = "reduction as sin; quotient of polynomials"},
    .doc = "the tangent of an angle in radians"};
const Op cos{
    .name = "cos",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 14,
    .spelling = "cos_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::cos(v[0]); },
    .gradient = [](const GradContext& c) { return Grads{-(c.grad * kroton::sin(c.inputs[0]))}; },
    .domain = {{-4, 4}},
    .accuracy = {.f32 = 1.75, .f64 = 2.25, .method = "as sin"},
    .doc = "the cosine of an angle in radians"};

const Op asin{.name = "asin",
              .kind = Kind::elementwise,
              .dtypes = Dtypes::floating,
              .cost = 16,
              .spelling = "asin_{t}({0})",
              .infer = infer_elementwise,
              .eval_float = [](const auto* v) { return std::asin(v[0]); },
              .gradient =
                  [](const GradContext& c) {
                    const Expr& x = c.inputs[0];
                    return Grads{c.grad / kroton::sqrt((1 - x) * (1 + x))};
                  },
              .domain = {{-0.9, 0.9}},
              .accuracy = {.f32 = 2.0,
                           .f64 = 2.0,
                           .method = "polynomial up to 1/2, beyond by the root of (1 - x)/2"},
              .doc = "the angle from -pi/2 to pi/2 whose sine is a; NaN beyond 1"};
const Op acos{.name = "acos",
              .kind = Kind::elementwise,
              .dtypes = Dtypes::floating,
              .cost = 16,
              .spelling = "acos_{t}({0})",
              .infer = infer_elementwise,
              .eval_float = [](const auto* v) { return std::acos(v[0]); },
              .gradient =
                  [](const GradContext& c) {
                    const Expr& x = c.inputs[0];
                    return Grads{-(c.grad / kroton::sqrt((1 - x) * (1 + x)))};
                  },
              .domain = {{-0.9, 0.9}},
              .accuracy = {.f32 = 1.25, .f64 = 1.25, .method = "as asin"},
              .doc = "the angle from 0 to pi whose cosine is a; NaN beyond 1"};
const Op atan{.name = "atan",
              .kind = Kind::elementwise,
              .dtypes = Dtypes::floating,
              .cost = 16,
              .spelling = "atan_{t}({0})",
              .infer = infer_elementwise,
              .eval_float = [](const auto* v) { return std::atan(v[0]); },
              .gradient =
                  [](const GradContext& c) {
                    const Expr& x = c.inputs[0];
                    return Grads{c.grad / (1 + x * x)};
                  },
              .domain = {{-4, 4}},
              .accuracy = {.f32 = 2.0,
                           .f64 = 2.0,
                           .method = "reduction to tan(pi/8) by a quotient, polynomial"},
              .doc = "the angle from -pi/2 to pi/2 whose tangent is a"};
const Op atan2{.name = "atan2",
               .arity = 2,
               .kind = Kind::elementwise,
               .dtypes = Dtypes::floating,
               .cost = 20,
               .spelling = "atan2_{t}({0}, {1})",
               .infer = infer_elementwise,
               .eval_float = [](const auto* v) { return std::atan2(v[0], v[1]); },
               .gradient =
                   [](const GradContext& c) {
                     const Expr &y = c.inputs[0], &x = c.inputs[1];
                     const Expr r = kroton::hypot(y, x), g = c.grad / r;
                     return Grads{g * (x / r), -(g * (y / r))};
                   },
               .domain = {{-4, 4}, {0.5, 4}},
               .accuracy = {.f32 = 2.0, .f64 = 2.0, .method = "as atan, of the quotient"},
               .doc = "the angle of the point (b, a), from -pi to pi"};
const Op sinh{
    .name = "sinh",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 16,
    .spelling = "sinh_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::sinh(v[0]); },
    .gradient = [](const GradContext& c) { return Grads{c.grad * kroton::cosh(c.inputs[0])}; },
    .domain = {{-4, 4}},
    .accuracy = {.f32 = 2.0,
                 .f64 = 2.0,
                 .method = "odd polynomial below 1, else h - 1/(4h), h = e^x / 2"},
    .doc = "the hyperbolic sine"};
const Op cosh{
    .name = "cosh",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 14,
    .spelling = "cosh_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::cosh(v[0]); },
    .gradient = [](const GradContext& c) { return Grads{c.grad * kroton::sinh(c.inputs[0])}; },
    .domain = {{-4, 4}},
    .accuracy = {.f32 = 1.75, .f64 = 1.75, .method = "h + 1/(4h), h = e^abs(x) / 2"},
    .doc = "the hyperbolic cosine"};
const Op asinh{
    .name = "asinh",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 20,
    .spelling = "asinh_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::asinh(v[0]); },
    .gradient = [](const GradContext& c) { return Grads{c.grad / kroton::hypot(c.inputs[0], 1)}; },
    .domain = {{-4, 4}},
    .accuracy = {.f32 = 2.25, .f64 = 2.25, .method = "log(1 + x + x²/(1 + sqrt(1 + x²)))"},
    .doc = "the inverse of sinh"};
const Op acosh{
    .name = "acosh",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 18,
    .spelling = "acosh_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::acosh(v[0]); },
    .gradient =
        [](const GradContext& c) {
          const Expr& x = c.inputs[0];
          return Grads{c.grad / (kroton::sqrt(x - 1) * kroton::sqrt(x + 1))};
        },
    .domain = {{1.25, 8}},
    .accuracy = {.f32 = 2.25, .f64 = 2.25, .method = "log(1 + t + sqrt(t (x + 1))), t = x - 1"},
    .doc = "the inverse of cosh that is not negative; NaN below 1"};
const Op atanh{.name = "atanh",
               .kind = Kind::elementwise,
               .dtypes = Dtypes::floating,
               .cost = 16,
               .spelling = "atanh_{t}({0})",
               .infer = infer_elementwise,
               .eval_float = [](const auto* v) { return std::atanh(v[0]); },
               .gradient =
                   [](const GradContext& c) {
                     const Expr& x = c.inputs[0];
                     return Grads{c.grad / ((1 - x) * (1 + x))};
                   },
               .domain = {{-0.9, 0.9}},
               .accuracy = {.f32 = 2.25, .f64 = 2.25, .method = "log(1 + 2x/(1 - x)) / 2"},
               .doc = "the inverse of tanh; NaN beyond 1"};

std::span<const Op* const> trigonometric_rows() {
  static constexpr const Op* rows[] = {&sin,   &cos,  &tan,  &asin,  &acos,  &atan,
                                       &atan2, &sinh, &cosh, &asinh, &acosh, &atanh};
  return rows;
}

} // namespace ops

Expr sin(Operand a) { return ops::elementwise(ops::sin, {&a}); }
Expr cos(Operand a) { return ops::elementwise(ops::cos, {&a}); }
Expr tan(Operand a) { return ops::elementwise(ops::tan, {&a}); }
Expr asin(Operand a) { return ops::elementwise(ops::asin, {&a}); }
Expr acos(Operand a) { return ops::elementwise(ops::acos, {&a}); }
Expr atan(Operand a) { return ops::elementwise(ops::atan, {&a}); }
Expr sinh(Operand a) { return ops::elementwise(ops::sinh, {&a}); }
Expr cosh(Operand a) { return ops::elementwise(ops::cosh, {&a}); }
Expr asinh(Operand a) { return ops::elementwise(ops::asinh, {&a}); }
Expr acosh(Operand a) { return ops::elementwise(ops::acosh, {&a}); }
Expr atanh(Operand a) { return ops::elementwise(ops::atanh, {&a}); }
Expr atan2(Operand a, Operand b) { return ops::elementwise(ops::atan2, {&a, &b}); }
Expr deg2rad(Operand a) {
  const Location where = a.where;
  return ops::to_floating(a) * Operand(ops::degree, where);
}
Expr rad2deg(Operand a) {
  const Location where = a.where;
  return ops::to_floating(a) * Operand(1 / ops::degree, where);
}

} // namespace kroton
