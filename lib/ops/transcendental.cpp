/// Exponentials, logarithms and the functions made of them; floating dtypes only.
#include <cmath>
#include <numbers>

#include <kroton/ops/transcendental.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/transcendental.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Dtypes;
using ir::GradContext;
using ir::Kind;
using ir::Property;

using Grads = std::vector<Expr>;

/// sin(pi x): the reduction modulo 2 is exact.
constexpr auto sinpi_float = []<class T>(const T* v) -> T {
  constexpr T pi = std::numbers::pi_v<T>;
  const T r = std::remainder(v[0], T(2));
  if (r == std::trunc(r) && std::isfinite(v[0])) return std::copysign(T(0), v[0]);
  return std::fabs(r) <= 0.5 ? std::sin(pi * r)
                             : std::copysign(std::sin(pi * (1 - std::fabs(r))), r);
};
constexpr auto cospi_float = []<class T>(const T* v) -> T {
  constexpr T pi = std::numbers::pi_v<T>;
  const T r = std::fabs(std::remainder(v[0], T(2)));
  if (r == 0.5) return 0;
  return r <= 0.25 ? std::cos(pi * r) : std::sin(pi * (T(0.5) - r));
};

/// The derivative of erf, 2 / sqrt(pi) e^(-x^2).
Expr bell(const Expr& x) { return 2 * std::numbers::inv_sqrtpi * kroton::exp(-(x * x)); }

} // namespace

const Op exp{.name = "exp",
             .kind = Kind::elementwise,
             .properties = Property::increasing | Property::injective,
             .dtypes = Dtypes::floating,
             .cost = 10,
             .spelling = "exp_{t}({0})",
             .infer = infer_elementwise,
             .eval_float = [](const auto* v) { return std::exp(v[0]); },
             .gradient = [](const GradContext& c) { return Grads{c.grad * c.output}; },
             .domain = {{-8, 8}},
             .accuracy = {.f32 = 1.25, .f64 = 1.25, .method = "reduction by ln 2, polynomial"},
             .doc = "e^a"};
const Op expm1{
    .name = "expm1",
    .kind = Kind::elementwise,
    .properties = Property::increasing | Property::injective,
    .dtypes = Dtypes::floating,
    .cost = 12,
    .spelling = "expm1_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::expm1(v[0]); },
    .gradient = [](const GradContext& c) { return Grads{c.grad * kroton::exp(c.inputs[0])}; },
    .domain = {{-8, 8}},
    .accuracy = {.f32 = 1.75,
                 .f64 = 2.0,
                 .method = "as exp, the 1 subtracted from the power of two"},
    .doc = "e^a - 1, accurate near 0"};
const Op log{
    .name = "log",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 10,
    .spelling = "log_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::log(v[0]); },
    .gradient = [](const GradContext& c) { return Grads{c.grad / c.inputs[0]}; },
    .domain = {{0.125, 8}},
    .accuracy =
        {.f32 = 1.0,
         .f64 = 1.0,
         .method =
             "reduction by powers of two; polynomial (f32), atanh series with a division (f64)"},
    .doc = "the natural logarithm"};
const Op log1p{
    .name = "log1p",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 12,
    .spelling = "log1p_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::log1p(v[0]); },
    .gradient = [](const GradContext& c) { return Grads{c.grad / (c.inputs[0] + 1.0)}; },
    .domain = {{-0.75, 8}},
    .accuracy = {.f32 = 1.75, .f64 = 1.75, .method = "as log, 1 + x reduced without losing x"},
    .doc = "log(1 + a), accurate near 0"};
const Op sqrt{.name = "sqrt",
              .kind = Kind::elementwise,
              .dtypes = Dtypes::floating,
              .cost = 4,
              .spelling = "sqrt_{t}({0})",
              .infer = infer_elementwise,
              .eval_float = [](const auto* v) { return std::sqrt(v[0]); },
              .gradient = [](const GradContext& c) { return Grads{0.5 * c.grad / c.output}; },
              .domain = {{0.125, 8}},
              .accuracy = {.f32 = 0.5, .f64 = 0.5, .method = "the machine's instruction"},
              .doc = "the square root"};
const Op tanh{.name = "tanh",
              .kind = Kind::elementwise,
              .properties = Property::increasing | Property::injective,
              .dtypes = Dtypes::floating,
              .cost = 12,
              .spelling = "tanh_{t}({0})",
              .infer = infer_elementwise,
              .eval_float = [](const auto* v) { return std::tanh(v[0]); },
              .gradient =
                  [](const GradContext& c) {
                    return Grads{c.grad * ir::make(tanh_slope, {c.inputs[0]}, {}, c.where)};
                  },
              .domain = {{-4, 4}},
              .accuracy = {.f32 = 1.75,
                           .f64 = 1.75,
                           .method = "odd polynomial (f32) or rational function (f64) below 0.55, "
                                     "else 1 - 2/(e^2x + 1), ln 2 in one part; f32 with AVX-512: a "
                                     "polynomial for each quarter of an octave, 1.02 ulp at most"},
              .doc = "the hyperbolic tangent"};
/// 1 - tanh(x)^2, which keeps its digits where tanh(x) is nearly 1 or -1.
const Op tanh_slope{
    .name = "tanh-slope",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 14,
    .spelling = "tanh_slope_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = []<class T>(const T* v) -> T {
      const T c = std::cosh(v[0]);
      return 1 / c / c;
    },
    .gradient =
        [](const GradContext& c) {
          return Grads{c.grad * (-2.0 * (c.output * kroton::tanh(c.inputs[0])))};
        },
    .domain = {{-4, 4}},
    .accuracy = {.f32 = 16.0,
                 .f64 = 16.0,
                 .method = "tanh's derivative: 1 - tanh(x)² up to abs(x) = 2, where the error of "
                           "tanh shows most, beyond 4z/(1 + z)², z = e^-2 abs(x), to 5 ulp"},
    .doc = "1 - tanh(a)^2, the derivative of tanh"};
const Op sinpi{
    .name = "sinpi",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 10,
    .spelling = "sinpi_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = sinpi_float,
    .gradient =
        [](const GradContext& c) {
          return Grads{std::numbers::pi * c.grad * kroton::cospi(c.inputs[0])};
        },
    .domain = {{-2, 2}},
    .accuracy = {.f32 = 1.75,
                 .f64 = 1.75,
                 .method = "exact reduction; 1.0 where the machine has fused multiply-add"},
    .doc = "sin(pi a)"};
const Op cospi{.name = "cospi",
               .kind = Kind::elementwise,
               .dtypes = Dtypes::floating,
               .cost = 10,
               .spelling = "cospi_{t}({0})",
               .infer = infer_elementwise,
               .eval_float = cospi_float,
               .gradient =
                   [](const GradContext& c) {
                     return Grads{-std::numbers::pi * c.grad * kroton::sinpi(c.inputs[0])};
                   },
               .domain = {{-2, 2}},
               .accuracy = {.f32 = 1.75, .f64 = 1.75, .method = "the same"},
               .doc = "cos(pi a)"};

const Op erf{
    .name = "erf",
    .kind = Kind::elementwise,
    .properties = Property::increasing,
    .dtypes = Dtypes::floating,
    .cost = 24,
    .spelling = "erf_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::erf(v[0]); },
    .gradient = [](const GradContext& c) { return Grads{c.grad * bell(c.inputs[0])}; },
    .domain = {{-3, 3}},
    .accuracy = {.f32 = 1.75, .f64 = 1.75, .method = "odd polynomial below 1/2, else 1 - erfc"},
    .doc = "the error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to a"};
const Op erfc{.name = "erfc",
              .kind = Kind::elementwise,
              .dtypes = Dtypes::floating,
              .cost = 24,
              .spelling = "erfc_{t}({0})",
              .infer = infer_elementwise,
              .eval_float = [](const auto* v) { return std::erfc(v[0]); },
              .gradient = [](const GradContext& c) { return Grads{-(c.grad * bell(c.inputs[0]))}; },
              .domain = {{-3, 3}},
              .accuracy = {.f32 = 2.25,
                           .f64 = 2.5,
                           .method = "e^(m - x²) / (2x + 5/8) from 1/2 on, m a polynomial of "
                                     "(x - 3/2)/(x + 3/2) and x² in two parts; 1 - erf below"},
              .doc = "1 - erf(a), accurate where that is near 0"};

std::span<const Op* const> transcendental_rows() {
  static constexpr const Op* rows[] = {&exp,        &expm1, &log,   &log1p, &sqrt, &tanh,
                                       &tanh_slope, &sinpi, &cospi, &erf,   &erfc};
  return rows;
}

} // namespace ops

Expr exp(Operand a) { return ops::elementwise(ops::exp, {&a}); }
Expr expm1(Operand a) { return ops::elementwise(ops::expm1, {&a}); }
Expr log(Operand a) { return ops::elementwise(ops::log, {&a}); }
Expr log1p(Operand a) { return ops::elementwise(ops::log1p, {&a}); }
Expr sqrt(Operand a) { return ops::elementwise(ops::sqrt, {&a}); }
Expr tanh(Operand a) { return ops::elementwise(ops::tanh, {&a}); }
Expr erf(Operand a) { return ops::elementwise(ops::erf, {&a}); }
Expr erfc(Operand a) { return ops::elementwise(ops::erfc, {&a}); }
Expr sinpi(Operand a) { return ops::elementwise(ops::sinpi, {&a}); }
Expr cospi(Operand a) { return ops::elementwise(ops::cospi, {&a}); }

} // namespace kroton
