/// Activation functions of neural networks; floating dtypes only.
#include <kroton/ops/activation.hpp>
#include <kroton/ops/transcendental.hpp>

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

namespace {

/// Operands with the place of the function that is composed.
struct Placed {
  Location at;
  template <class T> Operand operator()(const T& v) const { return Operand(v, at); }
};

} // namespace

/// The approximation with (1 + tanh(u)) / 2 as sigmoid(2 u), which keeps its digits where that is
/// small; the other with erfc, which keeps them too.
Expr gelu(Operand a, bool approximate) {
  const Placed o{a.where};
  const Expr x = ops::to_floating(a);
  if (!approximate) {
    const Expr scaled = o(x) * o(-0.5 * std::numbers::sqrt2);
    const Expr tail = o(erfc(o(scaled))) * o(0.5);
    return o(x) * o(tail);
  }
  constexpr double of_x = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  const Expr square = o(x) * o(x);
  const Expr cubic = o(of_x * 0.044715) * o(square);
  const Expr factor = o(of_x) + o(cubic);
  const Expr doubled = o(x) * o(factor);
  return o(x) * o(sigmoid(o(doubled)));
}

Expr hard_sigmoid(Operand a, double slope, double offset) {
  const Placed o{a.where};
  const Expr scaled = o(ops::to_floating(a)) * o(slope);
  const Expr line = o(scaled) + o(offset);
  return maximum(o(minimum(o(line), o(1.0))), o(0.0));
}

Expr softsign(Operand a) {
  const Placed o{a.where};
  const Expr x = ops::to_floating(a);
  const Expr below = o(abs(o(x))) + o(1.0);
  return o(x) / o(below);
}

Expr leaky_relu(Operand a, double slope) {
  const Placed o{a.where};
  const Expr x = ops::to_floating(a);
  const Expr is_kept = o(x) >= o(0.0), scaled = o(x) * o(slope);
  return where(o(is_kept), o(x), o(scaled));
}

Expr elu(Operand a, double alpha) {
  const Placed o{a.where};
  const Expr x = ops::to_floating(a);
  const Expr is_kept = o(x) > o(0.0), curve = o(expm1(o(x))) * o(alpha);
  return where(o(is_kept), o(x), o(curve));
}

Expr selu(Operand a) {
  const Placed o{a.where};
  constexpr double alpha = 1.6732632423543772848, scale = 1.0507009873554804934;
  const Expr x = ops::to_floating(a);
  const Expr is_kept = o(x) > o(0.0), curve = o(expm1(o(x))) * o(alpha * scale);
  const Expr line = o(x) * o(scale);
  return where(o(is_kept), o(line), o(curve));
}

Expr silu(Operand a) {
  const Placed o{a.where};
  const Expr x = ops::to_floating(a);
  return o(x) * o(sigmoid(o(x)));
}

Expr mish(Operand a) {
  const Placed o{a.where};
  const Expr x = ops::to_floating(a);
  return o(x) * o(tanh(o(softplus(o(x)))));
}

} // namespace kroton
