/// grad itself: what it accumulates, what it leaves out, and what it says when it cannot.
#include <kroton/grad.hpp>
#include <kroton/ops/activation.hpp>
#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/movement.hpp>
#include <kroton/shared.hpp>

#include <cmath>

#include "lib/ops/build.hpp"
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
      bindings.values.emplace(id, Array::scalar<double>(v).astype(input.dtype()));
  return ir::evaluate(g, g.outputs(), bindings)[0].astype(DType::f64).item<double>();
}

template <class E> std::string message_of(auto&& action) {
  try {
    action();
  } catch (const E& e) {
    return e.what();
  }
  return "nothing of that kind was thrown";
}

std::string line(int n) { return "reverse_test.cpp:" + std::to_string(n); }

} // namespace

TEST_CASE("contributions of several uses are added", "[grad]") {
  const Expr x = scalar<double>("x");
  CHECK(value(grad(x * x * x, x), {{x, 2}}) == 12);
  CHECK(value(grad(x + x, x), {{x, 2}}) == 2);
}

TEST_CASE("gelu is half of x times 1 + tanh of the cubic, and so is its gradient", "[grad]") {
  const Expr x = scalar<double>("x"), n = scalar<std::int32_t>("n");
  const auto formula = [](double v) {
    return v / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (v + 0.044715 * v * v * v)));
  };
  for (const double v : {-3.0, -0.5, 0.0, 0.25, 2.0}) {
    CHECK(value(gelu(x), {{x, v}}) == Approx(formula(v)).margin(1e-15));
    CHECK(value(grad(gelu(x), x), {{x, v}}) ==
          Approx((formula(v + 1e-6) - formula(v - 1e-6)) / 2e-6).epsilon(1e-8));
  }
  // Where the formula loses its digits: x times the distribution's tail, from above.
  CHECK(value(gelu(x), {{x, -12}}) < 0);
  CHECK(value(gelu(x), {{x, 1e30}}) == 1e30);
  CHECK(gelu(n).dtype() == DType::f64);
}

TEST_CASE("a gradient has the shape and dtype of what it is taken by", "[grad]") {
  const Expr x = tensor<float>({kroton::dim("n"), 10}, "x"), b = tensor<float>({10}, "b"),
             s = scalar<float>("s"), d = matrix<double>("d");
  const auto g = grad(sum((x + b) * s + sum(d)), {x, b, s, d});
  CHECK(ir::same(g[0].node()->type, x.node()->type));
  CHECK(ir::same(g[1].node()->type, b.node()->type));
  CHECK(ir::same(g[2].node()->type, s.node()->type));
  CHECK(ir::same(g[3].node()->type, d.node()->type));
}

TEST_CASE("a computed expression can be differentiated by, alone and with what it is made of",
          "[grad]") {
  const Expr x = scalar<double>("x"), h = x * x;
  const auto g = grad(h * x, {h, x});
  CHECK(value(g[0], {{x, 3}}) == 3);
  CHECK(value(g[1], {{x, 3}}) == 27);
  CHECK(value(grad(log(exp(h)), h), {{x, 3}}) == 1);
}

TEST_CASE("the cost itself has gradient one", "[grad]") {
  const Expr x = scalar<float>("x");
  CHECK(value(grad(x, x), {{x, 5}}) == 1);
}

TEST_CASE("gradients of unstable forms are finite", "[grad]") {
  const Expr x = scalar<double>("x");
  CHECK(value(grad(log(1 + exp(x)), x), {{x, 1e4}}) == 1);
  CHECK(value(grad(log(sigmoid(x)), x), {{x, -1e4}}) == 1);
  const Expr v = tensor<double>({2}, "v");
  const Expr g = grad(sum(log(softmax(v * 1e4)) * v), v);
  const ir::Graph graph = ir::Graph::capture({&g, 1});
  ir::Bindings bindings;
  bindings.values.emplace(graph.find(v), Array::from(std::vector<double>{-1, 1}, {2}));
  const Array slope = ir::evaluate(graph, graph.outputs(), bindings)[0];
  CHECK(std::isfinite(slope.data<double>()[0]));
  CHECK(std::isfinite(slope.data<double>()[1]));
}

TEST_CASE("a chain of 100,000 nodes is differentiated without recursion", "[grad]") {
  const Expr x = scalar<double>("x");
  Expr e = x;
  for (int i = 0; i < 100'000; ++i) e = e + 1;
  CHECK(value(grad(e * e, x), {{x, 1}}) == 2 * 100'001.0);
}

TEST_CASE("nodes of a gradient carry the place of the op they come from", "[grad]") {
  const Expr x = scalar<float>("x");
  const int at = __LINE__ + 1;
  const Expr e = tanh(x);
  const Expr g = grad(e * 2, x);
  int found = 0;
  for (const ir::Node* n : ir::topological_order({&g, 1})) {
    CHECK_THAT(std::string(n->where.file_name()), contains("reverse_test.cpp"));
    found += n->where.line() == static_cast<unsigned>(at);
  }
  CHECK(found == 2);
}

TEST_CASE("a cost that is no scalar is refused", "[grad]") {
  const int at = __LINE__ + 1;
  const Expr x = tensor<float>({3}, "x");
  const auto act = [&] { grad(x, x); };
  CHECK(message_of<ShapeError>(act) == "grad: the cost must be a scalar, got x f32[3]\n  at " +
                                           line(at + 1) + "; x from " + line(at) +
                                           "\n  hint: sum(cost) or mean(cost) first; vjp takes a "
                                           "gradient of its shape to start from");
}

TEST_CASE("an integer cost is refused", "[grad]") {
  const int at = __LINE__ + 1;
  const Expr n = scalar<std::int32_t>("n");
  const auto act = [&] { grad(n, n); };
  CHECK(message_of<TypeError>(act) == "grad: the cost must be floating, got n i32[]\n  at " +
                                          line(at + 1) + "; n from " + line(at) +
                                          "\n  hint: cast it to f32 or f64");
}

TEST_CASE("an integer variable is refused", "[grad]") {
  const Expr x = scalar<float>("x");
  const int at = __LINE__ + 1;
  const Expr n = scalar<std::int32_t>("n");
  const auto act = [&] { grad(x * x, n); };
  CHECK(message_of<TypeError>(act) ==
        "grad: cannot differentiate with respect to n i32[]\n  at " + line(at + 1) + "; n from " +
            line(at) +
            "\n  hint: only floating expressions have gradients: cast it to f32 or f64 before it "
            "is used");
}

TEST_CASE("a variable that the cost does not depend on is named", "[grad]") {
  const Expr x = scalar<float>("x");
  const int at = __LINE__ + 1;
  const Expr z = scalar<float>("z");
  const auto unrelated = [&] { grad(x * x, z); };
  const auto stopped = [&] { grad(x * stop_gradient(z), z); };
  const std::string text = "grad: the cost mul f32[] does not depend on z f32[]\n  at ";
  CHECK(message_of<GraphError>(unrelated) ==
        text + line(at + 1) + "; z from " + line(at) +
            "\n  hint: leave it out of wrt, or use it in the "
            "cost, or ask for zeros: {.disconnected = Disconnected::zero}");
  CHECK(message_of<GraphError>(stopped) ==
        text + line(at + 2) + "; z from " + line(at) +
            "\n  hint: no gradient passes through "
            "stop_gradient, consider_constant, integers, comparisons or positions: leave it out of "
            "wrt, or ask for zeros: {.disconnected = Disconnected::zero}");
}

TEST_CASE("an op without a gradient is named if it lies on the way", "[grad]") {
  const int at = __LINE__ + 1;
  const Expr x = scalar<float>("x");
  const Expr z = scalar<float>("z");
  const Expr m = mod(x, z);
  const auto act = [&] { grad(m * x, x); };
  CHECK(message_of<UnsupportedError>(act) ==
        "grad: mod f32[] has no gradient\n  at " + line(at + 2) + "; x from " + line(at) +
            ", z from " + line(at + 1) + "\n  hint: stop_gradient(…) treats it as a constant");
  CHECK_NOTHROW(grad(stop_gradient(m) * x, x));
  const Expr w = scalar<float>("w");
  CHECK_NOTHROW(grad(m * w, w));
}

TEST_CASE("verify_grad names the argument and both values when they differ", "[grad]") {
  const auto kinked = [](const std::vector<Expr>& v) { return floor(v[0]) * 1.0 + v[0]; };
  CHECK_NOTHROW(verify_grad(kinked, {Array::scalar<double>(0.5)}));
  CHECK_THAT(
      message_of<GraphError>([&] { verify_grad(kinked, {Array::scalar<double>(1.0)}); }),
      contains("verify_grad: argument 0, position 0: grad says 1, finite differences say 5000"));
}

} // namespace kroton::test
