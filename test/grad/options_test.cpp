/// The options of grad: gradients to start from, what is constant, what nothing depends on.
#include <kroton/grad.hpp>
#include <kroton/ops/basic.hpp>

#include <cmath>

#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {
namespace {

double value(const Expr& e, const std::vector<std::pair<Expr, double>>& at) {
  const ir::Graph g = ir::Graph::capture({&e, 1});
  ir::Bindings bindings;
  bindings.size_of = Sizes{};
  for (const auto& [input, v] : at)
    if (const ir::NodeId id = g.find(input); id != ir::no_node)
      bindings.values.emplace(id, Array::scalar<double>(v));
  return ir::evaluate(g, g.outputs(), bindings)[0].item<double>();
}

} // namespace

TEST_CASE("a known gradient takes the place of what the cost makes of it", "[grad]") {
  const Expr x = scalar<double>("x"), dy = scalar<double>("dy");
  const Expr y = x * x, cost = exp(y) + 5 * x;
  const std::vector<std::pair<Expr, double>> at{{x, 3}, {dy, 7}};
  CHECK(value(grad(cost, x, {.known_grads = {{y, dy}}}), at) == 5 + 7 * 6);
  CHECK(value(grad(Expr(), x, {.known_grads = {{y, dy}}}), at) == 7 * 6);
  CHECK(value(grad({}, x, {.known_grads = {{y, dy}, {exp(x), dy}}}), at) ==
        Approx(7 * (6 + std::exp(3))));
  CHECK(value(grad(cost, y, {.known_grads = {{y, dy}}}), at) == 7);
  CHECK(value(grad(cost, x, {.known_grads = {{cost, dy}}}), at) ==
        Approx(7 * (6 * std::exp(9) + 5)));
  // One known gradient above another: nothing passes from the first to the second.
  const Expr z = y * y;
  CHECK(value(grad(z, x, {.known_grads = {{z, dy}, {y, dy}}}), at) == 7 * 6);
}

TEST_CASE("gradients do not pass through what is considered constant", "[grad]") {
  const Expr x = scalar<double>("x"), h = x * x;
  const std::vector<std::pair<Expr, double>> at{{x, 3}};
  CHECK(value(grad(h * x, x, {.consider_constant = {h}}), at) == 9);
  CHECK(value(grad(h * x, h, {.consider_constant = {h}}), at) == 3);
  CHECK(value(grad(log(exp(h)) + x, x, {.consider_constant = {h}}), at) == 1);
  CHECK(
      message_of<GraphError>([&] { grad(exp(h), x, {.consider_constant = {h}}); }) ==
      "grad: the cost exp f64[] does not depend on x f64[]\n"
      "  at options_test.cpp:LINE; x from options_test.cpp:LINE\n"
      "  hint: no gradient passes through stop_gradient, consider_constant, integers, comparisons "
      "or positions: leave it out of wrt, or ask for zeros: {.disconnected = "
      "Disconnected::zero}");
}

TEST_CASE("what the cost does not depend on is an error, zeros or nothing", "[grad]") {
  const Expr x = scalar<double>("x"), w = tensor<float>({kroton::dim("n"), 2}, "w");
  CHECK_THROWS_AS(grad(x * x, w), GraphError);
  const std::vector<Expr> zero = grad(x * x, {x, w}, {.disconnected = Disconnected::zero});
  CHECK(value(zero[0], {{x, 3}}) == 6);
  CHECK(zero[1].dtype() == DType::f32);
  CHECK(zero[1].node()->type.to_string() == "f32[n,2]");
  const std::vector<Expr> none = grad(x * x, {w, x}, {.disconnected = Disconnected::none});
  CHECK(none[0].node() == nullptr);
  CHECK(value(none[1], {{x, 3}}) == 6);
}

TEST_CASE("a known gradient fits what it is of", "[grad]") {
  const Expr x = tensor<double>({3}, "x"), y = x * x, f = tensor<float>({3}, "f"),
             s = tensor<double>({2}, "s");
  CHECK(message_of<TypeError>([&] {
          grad({}, x, {.known_grads = {{y, f}}});
        }).starts_with("grad: the known gradient of mul f64[3] has its dtype, got f f32[3]\n"));
  CHECK(message_of<ShapeError>([&] {
          grad({}, x, {.known_grads = {{y, s}}});
        }).starts_with("grad: the known gradient of mul f64[3] has its shape, got s f64[2]\n"));
  CHECK(message_of<GraphError>([&] {
          grad({}, x, {.known_grads = {{y, x}, {y, x}}});
        }).starts_with("grad: two known gradients of mul f64[3]\n"));
  CHECK(message_of<GraphError>([&] { grad({}, x); }).starts_with("grad: "));
  CHECK(message_of<GraphError>([&] {
          grad({}, s, {.known_grads = {{y, x}}});
        }).starts_with("grad: nothing whose gradient is known does not depend on") == false);
}

TEST_CASE("value_and_grad gives both", "[grad]") {
  const Expr x = scalar<double>("x");
  const auto [cost, grads] = value_and_grad(exp(x) * x, {x});
  CHECK(value(cost, {{x, 2}}) == Approx(2 * std::exp(2)));
  CHECK(value(grads[0], {{x, 2}}) == Approx(3 * std::exp(2)));
}

TEST_CASE("the gradient from a cotangent is stable where that of its sum is", "[grad]") {
  const Expr x = scalar<double>("x"), u = scalar<double>("u");
  CHECK(value(vjp(log(1 + exp(x)), x, u), {{x, 1000}, {u, 2}}) == 2);
  CHECK(value(jvp(log(1 + exp(x)), x, u), {{x, 1000}, {u, 2}}) == 2);
}

} // namespace kroton::test
