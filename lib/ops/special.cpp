/// Special functions, and logarithms of what would cancel or overflow; floating dtypes only.
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include <kroton/ops/activation.hpp>
#include <kroton/ops/special.hpp>
#include <kroton/ops/transcendental.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/special.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Dtypes;
using ir::GradContext;
using ir::Kind;
using ir::Property;

using Grads = std::vector<Expr>;

constexpr double infinity = std::numeric_limits<double>::infinity();

constexpr auto logit_float = []<class T>(const T* v) -> T {
  const T x = v[0];
  return std::fabs(x - T(0.5)) < T(0.25) ? 2 * std::atanh(2 * x - 1) : std::log(x / (1 - x));
};
constexpr auto log1mexp_float = []<class T>(const T* v) -> T {
  const T x = v[0];
  return x > T(-0.5) ? std::log(-std::expm1(x)) : std::log1p(-std::exp(x));
};

/// b, but 1 where a is 0: where a log(b) is 0, so is its derivative by b.
Expr quotient(const Expr& g, const Expr& a, const Expr& b) {
  return kroton::where(a != 0, g * (a / b), 0);
}

} // namespace

const Op xlogy{.name = "xlogy",
               .arity = 2,
               .kind = Kind::elementwise,
               .dtypes = Dtypes::floating,
               .cost = 12,
               .spelling = "xlogy_{t}({0}, {1})",
               .infer = infer_elementwise,
               .eval_float = []<class T>(const T* v) -> T {
                 return v[0] == 0 && !std::isnan(v[1]) ? T(0) : v[0] * std::log(v[1]);
               },
               .gradient =
                   [](const GradContext& c) {
                     return Grads{c.grad * kroton::log(c.inputs[1]),
                                  quotient(c.grad, c.inputs[0], c.inputs[1])};
                   },
               .domain = {{-4, 4}, {0.125, 8}},
               .accuracy = {.f32 = 2.5, .f64 = 2.5, .method = "the product with log(b)"},
               .doc = "a log(b), 0 where a is 0 and b a number"};
const Op xlog1py{.name = "xlog1py",
                 .arity = 2,
                 .kind = Kind::elementwise,
                 .dtypes = Dtypes::floating,
                 .cost = 14,
                 .spelling = "xlog1py_{t}({0}, {1})",
                 .infer = infer_elementwise,
                 .eval_float = []<class T>(const T* v) -> T {
                   return v[0] == 0 && !std::isnan(v[1]) ? T(0) : v[0] * std::log1p(v[1]);
                 },
                 .gradient =
                     [](const GradContext& c) {
                       return Grads{c.grad * kroton::log1p(c.inputs[1]),
                                    quotient(c.grad, c.inputs[0], c.inputs[1] + 1.0)};
                     },
                 .domain = {{-4, 4}, {-0.75, 8}},
                 .accuracy = {.f32 = 3.0, .f64 = 3.0, .method = "the product with log1p(b)"},
                 .doc = "a log(1 + b), 0 where a is 0 and b a number"};
const Op logit{
    .name = "logit",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 16,
    .spelling = "logit_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = logit_float,
    .gradient =
        [](const GradContext& c) { return Grads{c.grad / (c.inputs[0] * (1.0 - c.inputs[0]))}; },
    .domain = {{0.125, 0.875}},
    .accuracy = {.f32 = 3.0,
                 .f64 = 3.0,
                 .method = "log(x/(1 - x)); within 1/5 of 1/2 log1p((2x - 1)/(1 - x))"},
    .doc = "log(a / (1 - a)), accurate about 1/2; NaN outside [0, 1]"};
const Op log1mexp{
    .name = "log1mexp",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 34,
    .spelling = "log1mexp_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = log1mexp_float,
    .gradient = [](const GradContext& c) { return Grads{-(c.grad / kroton::expm1(-c.inputs[0]))}; },
    .domain = {{-8, -0.25}},
    .accuracy = {.f32 = 3.5, .f64 = 3.5, .method = "log(-expm1(x)) above -ln 2, else log1p(-e^x)"},
    .doc = "log(1 - e^a), accurate for all a <= 0; NaN above"};

std::span<const Op* const> special_rows() {
  static constexpr const Op* rows[] = {&xlogy, &xlog1py, &logit, &log1mexp};
  return rows;
}

} // namespace ops

Expr xlogy(Operand a, Operand b) { return ops::elementwise(ops::xlogy, {&a, &b}); }
Expr xlog1py(Operand a, Operand b) { return ops::elementwise(ops::xlog1py, {&a, &b}); }
Expr logit(Operand a) { return ops::elementwise(ops::logit, {&a}); }
Expr log1mexp(Operand a) { return ops::elementwise(ops::log1mexp, {&a}); }

namespace {

/// Both operands in the floating dtype that they have together.
std::pair<Expr, Expr> promoted(const Operand& a, const Operand& b) {
  const Expr both = ops::elementwise(ops::div, {&a, &b});
  return {both.node()->inputs[0], both.node()->inputs[1]};
}

} // namespace

/// The larger operand is chosen, not the maximum taken, so that derivatives of all orders are right
/// where both are equal.
Expr logaddexp(Operand a, Operand b) {
  const Location at = a.where;
  const auto to = [at](const auto& v) { return Operand(v, at); };
  const auto [x, y] = promoted(a, b);
  const Expr is_first = to(x) >= to(y);
  const Expr high = where(to(is_first), to(x), to(y)), low = where(to(is_first), to(y), to(x));
  const Expr is_infinite = abs(to(low)) == to(ops::infinity);
  const Expr difference = to(low) - to(high);
  const Expr below = where(to(is_infinite), to(-ops::infinity), to(difference));
  return to(high) + to(softplus(to(below)));
}

/// Without its special case, -inf less -inf would be NaN.
Expr logdiffexp(Operand a, Operand b) {
  const Location at = a.where;
  const auto to = [at](const auto& v) { return Operand(v, at); };
  const auto [x, y] = promoted(a, b);
  const Expr is_alone = to(y) == to(-ops::infinity);
  const Expr difference = to(y) - to(x);
  const Expr below = where(to(is_alone), to(y), to(difference));
  return to(x) + to(log1mexp(to(below)));
}

} // namespace kroton
