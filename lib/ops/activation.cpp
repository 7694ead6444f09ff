/// Activation functions of neural networks; floating dtypes only.
#include <kroton/ops/activation.hpp>

#include <cmath>
#include <numbers>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Dtypes;
using ir::GradContext;
using ir::Kind;
using ir::Property;

using Grads = std::vector<Expr>;

constexpr auto softplus_float = []<class T>(const T* v) -> T {
  return v[0] > 0 ? v[0] + std::log1p(std::exp(-v[0])) : std::log1p(std::exp(v[0]));
};
constexpr auto sigmoid_float = []<class T>(const T* v) -> T {
  if (v[0] >= 0) return 1 / (1 + std::exp(-v[0]));
  const T e = std::exp(v[0]);
  return e / (1 + e);
};

} // namespace

const Op sigmoid{.name = "sigmoid",
                 .kind = Kind::elementwise,
                 .properties = Property::increasing | Property::injective,
                 .dtypes = Dtypes::floating,
                 .cost = 12,
                 .spelling = "sigmoid_{t}({0})",
                 .infer = infer_elementwise,
                 .eval_float = sigmoid_float,
                 .gradient =
                     [](const GradContext& c) {
                       return Grads{c.grad * (c.output * kroton::sigmoid(-c.inputs[0]))};
                     },
                 .domain = {{-8, 8}},
                 .accuracy = {.f32 = 2.0,
                              .f64 = 2.0,
                              .method = "z = e^-abs(x), q = z / (1 + z): z - z q or 1 - q"},
                 .doc = "1 / (1 + e^-a)"};
const Op softplus{
    .name = "softplus",
    .kind = Kind::elementwise,
    .properties = Property::increasing | Property::injective,
    .dtypes = Dtypes::floating,
    .cost = 20,
    .spelling = "softplus_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = softplus_float,
    .gradient = [](const GradContext& c) { return Grads{c.grad * kroton::sigmoid(c.inputs[0])}; },
    .domain = {{-8, 8}},
    .accuracy = {.f32 = 2.0,
                 .f64 = 2.0,
                 .method = "max(x, 0) + log(1 + z), z = e^-abs(x), by a polynomial in z"},
    .doc = "log(1 + e^a), without overflow"};
const Op relu{
    .name = "relu",
    .kind = Kind::elementwise,
    .properties = Property::increasing,
    .dtypes = Dtypes::floating,
    .cost = 1,
    .spelling = "relu_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = []<class T>(const T* v) { return std::isnan(v[0]) || v[0] > 0 ? v[0] : T(0); },
    .gradient =
        [](const GradContext& c) { return Grads{kroton::where(c.inputs[0] > 0, c.grad, 0.0)}; },
    .domain = {{0.1, 4}},
    .doc = "max(a, 0)"};

std::span<const Op* const> activation_rows() {
  static constexpr const Op* rows[] = {&sigmoid, &softplus, &relu};
  return rows;
}

} // namespace ops

Expr sigmoid(Operand a) { return ops::elementwise(ops::sigmoid, {&a}); }
Expr softplus(Operand a) { return ops::elementwise(ops::softplus, {&a}); }
Expr relu(Operand a) { return ops::elementwise(ops::relu, {&a}); }
/// With (1 + tanh(u)) / 2 as sigmoid(2 u), which keeps its digits where that is small.
Expr gelu(Operand a) {
  const Location at = a.where;
  const Expr x = ops::to_floating(a);
  constexpr double of_x = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  const Expr square = Operand(x, at) * Operand(x, at);
  const Expr cubic = Operand(of_x * 0.044715, at) * Operand(square, at);
  const Expr factor = Operand(of_x, at) + Operand(cubic, at);
  const Expr doubled = Operand(x, at) * Operand(factor, at);
  return Operand(x, at) * Operand(sigmoid({doubled, at}), at);
}

} // namespace kroton
