/// Gradients of one's own, clipped gradients, checkpoints: by the reference evaluator.
#include <kroton/custom.hpp>
#include <kroton/grad.hpp>
#include <kroton/jacobian.hpp>
#include <kroton/ops/basic.hpp>
#include <kroton/vmap.hpp>

#include <cmath>

#include "lib/ops/custom.hpp"
#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {
namespace {

using Exprs = std::vector<Expr>;

std::vector<double> values(const Expr& e, const std::vector<std::pair<Expr, Array>>& at) {
  const ir::Graph g = ir::Graph::capture({&e, 1});
  ir::Bindings bindings;
  bindings.size_of = Sizes{};
  for (const auto& [input, v] : at)
    if (const ir::NodeId id = g.find(input); id != ir::no_node) bindings.values.emplace(id, v);
  const Array a = ir::evaluate(g, g.outputs(), bindings)[0].astype(DType::f64).contiguous();
  return {a.data<double>(), a.data<double>() + a.numel()};
}
double value(const Expr& e, const std::vector<std::pair<Expr, Array>>& at) {
  return values(e, at).at(0);
}

const GradientRule straight_through = [](const Exprs&, const Expr&, const Expr& g) {
  return Exprs{g};
};

/// x^2 with a gradient that is not its own: 10 x.
Expr odd_square(const Expr& x) {
  return custom_gradient(
      x * x, {x}, [](const Exprs& v, const Expr&, const Expr& g) { return Exprs{10 * v[0] * g}; });
}

} // namespace

TEST_CASE("a gradient of one's own takes the place of the value's", "[grad][custom]") {
  const Expr x = scalar<double>("x"), y = scalar<double>("y");
  const std::vector<std::pair<Expr, Array>> at{{x, Array::scalar(3.0)}, {y, Array::scalar(2.0)}};
  CHECK(value(odd_square(x), at) == 9);
  CHECK(value(grad(odd_square(x), x), at) == 30);
  CHECK(value(grad(exp(odd_square(x)) * y, x), at) == Approx(30 * 2 * std::exp(9)));
  CHECK(value(grad(grad(odd_square(x), x), x), at) == 10);
  CHECK(value(grad(custom_gradient(cast<double>(cast<int>(x)), {x}, straight_through), x), at) ==
        1);
  CHECK(value(jvp(odd_square(x), x, y), at) == 60);
  // To its inputs and to nothing else.
  const Expr z = custom_gradient(x * y, {y}, straight_through);
  CHECK_THROWS_AS(grad(z, x), GraphError);
  CHECK(value(grad(z, y), at) == 1);
  // A rule may leave inputs out, and may use the value.
  const Expr w = custom_gradient(x * y, {x, y}, [](const Exprs&, const Expr& out, const Expr& g) {
    return Exprs{out * g, Expr()};
  });
  CHECK(value(grad(w, x), at) == 6);
}

TEST_CASE("gradients of one's own are mapped", "[grad][custom][vmap]") {
  const Expr x = tensor<double>({3}, "x"), w = scalar<double>("w");
  const Array xs = Array::from(std::vector<double>{1, 2, 3}, {3});
  const auto each = [](const Exprs& v) { return odd_square(v[0]); };
  CHECK(values(vmap(each)({x}), {{x, xs}}) == std::vector<double>{1, 4, 9});
  CHECK(values(grad(sum(vmap(each)({x})), x), {{x, xs}}) == std::vector<double>{10, 20, 30});
  CHECK(values(vmap([&](const Exprs& v) { return grad(odd_square(v[0]), v[0]); })({x}),
               {{x, xs}}) == std::vector<double>{10, 20, 30});
  // An input that is the same for all gets the sum.
  const auto scaled = [&](const Exprs& v) {
    return custom_gradient(v[0] * w, {v[0], w}, [](const Exprs& in, const Expr&, const Expr& g) {
      return Exprs{Expr(), in[0] * g};
    });
  };
  CHECK(value(grad(sum(vmap(scaled)({x})), w), {{x, xs}, {w, Array::scalar(2.0)}}) == 6);
}

TEST_CASE("a gradient is clipped on its way", "[grad][custom]") {
  const Expr x = tensor<double>({4}, "x"), c = tensor<double>({4}, "c");
  const Array xs = Array::from(std::vector<double>{1, 2, 3, 4}, {4}),
              cs = Array::from(std::vector<double>{-5, -0.5, 0.5, 5}, {4});
  CHECK(values(grad_clip(x, -1, 2), {{x, xs}}) == std::vector<double>{1, 2, 3, 4});
  CHECK(values(grad(sum(grad_clip(x, -1, 2) * c), x), {{x, xs}, {c, cs}}) ==
        std::vector<double>{-1, -0.5, 0.5, 2});
  CHECK(message_of<GraphError>([&] {
          grad_clip(x, 2, 1);
        }).starts_with("grad_clip: nothing is between 2 and 1\n"));
}

TEST_CASE("a checkpoint has its function's value and derivatives", "[grad][custom]") {
  const Expr x = tensor<double>({2}, "x"), w = tensor<double>({2, 2}, "w"),
             t = tensor<double>({2}, "t");
  const std::vector<std::pair<Expr, Array>> at{
      {x, Array::from(std::vector<double>{0.3, -0.2}, {2})},
      {w, Array::from(std::vector<double>{1, 2, -1, 0.5}, {2, 2})},
      {t, Array::from(std::vector<double>{1, -2}, {2})}};
  // w is read besides the argument.
  const auto f = [&](const Exprs& v) { return tanh(dot(w, v[0])) * v[0]; };
  const auto plain = [&](const Expr& v) { return sum(f({f({f({v})})})); };
  const auto again = checkpoint(f);
  const auto checked = [&](const Expr& v) { return sum(again({again({again({v})})})); };
  const auto near = [&](const Expr& a, const Expr& b) {
    const std::vector<double> as = values(a, at), bs = values(b, at);
    REQUIRE(as.size() == bs.size());
    for (std::size_t i = 0; i < as.size(); ++i)
      CHECK(as[i] == Approx(bs[i]).epsilon(1e-12).margin(1e-14));
  };
  near(checked(x), plain(x));
  near(grad(checked(x), x), grad(plain(x), x));
  near(grad(checked(x), w), grad(plain(x), w));
  near(jvp(checked(x), x, t), jvp(plain(x), x, t));
  near(hessian(checked(x), x), hessian(plain(x), x));
  near(grad(sum(grad(checked(x), x) * t), x), grad(sum(grad(plain(x), x) * t), x));
  const auto nested = checkpoint([&](const Exprs& v) { return again({again(v)}); });
  near(grad(sum(nested({x})), x), grad(sum(f({f({x})})), x));
  const auto two = checkpoint([&](const Exprs& v) { return Exprs{exp(v[0]), v[0] * v[0]}; });
  near(grad(sum(two({x})[0] * two({x})[1]), x), grad(sum(exp(x) * x * x), x));
  const Expr all = tensor<double>({2, 2}, "w");
  const Exprs mapped{vmap([&](const Exprs& v) { return grad(checked(v[0]), v[0]); })({w}),
                     vmap([&](const Exprs& v) { return grad(plain(v[0]), v[0]); })({w})};
  near(mapped[0], mapped[1]);
}

TEST_CASE("what is computed again is merged with nothing", "[grad][custom]") {
  const Expr x = tensor<double>({8}, "x");
  const auto f = [](const Exprs& v) { return exp(v[0]); };
  const auto count = [&](const Expr& e) {
    const ir::Graph g = ir::Graph::capture({&e, 1});
    int found = 0;
    for (const ir::NodeId id : g.order()) found += g[id].op->name == "exp" ? 1 : 0;
    return found;
  };
  const Expr plain = exp(sum(f({x}))), checked = exp(sum(checkpoint(f)({x})));
  CHECK(count(sum(plain) + sum(grad(plain, x))) == 2);
  CHECK(count(sum(checked) + sum(grad(checked, x))) == 3);
}

TEST_CASE("what a rule gives fits its inputs", "[grad][custom]") {
  const Expr x = scalar<double>("x"), f = scalar<float>("f");
  const Expr two = custom_gradient(x * x, {x}, [](const Exprs&, const Expr&, const Expr& g) {
    return Exprs{g, g};
  });
  CHECK(message_of<GraphError>([&] { grad(two, x); }) ==
        "custom_gradient: the rule gives 2 gradients for 1 inputs\n"
        "  at custom_test.cpp:LINE; x from custom_test.cpp:LINE\n"
        "  hint: give one for each input, a null Expr where there is none");
  const Expr other =
      custom_gradient(x * x, {x}, [&](const Exprs&, const Expr&, const Expr&) { return Exprs{f}; });
  CHECK(message_of<TypeError>([&] {
          grad(other, x);
        }).starts_with("custom_gradient: the gradient of x f64[] has its dtype, got f f32[]\n"));
  CHECK(message_of<GraphError>([&] {
          custom_gradient(x, {}, straight_through);
        }).starts_with("custom_gradient: no inputs for the gradient of x f64[]\n"));
  CHECK(message_of<GraphError>([&] {
          custom_gradient(x, {x}, nullptr);
        }).starts_with("custom_gradient: no rule for the gradient of x f64[]\n"));
}

TEST_CASE("marks are taken away before anything is captured", "[grad][custom]") {
  const Expr x = scalar<double>("x");
  const Expr y = exp(odd_square(grad_clip(x, -1, 1))) + 1;
  const Exprs bare = ops::without_custom_gradients({y, x});
  CHECK(bare[1].is(x));
  for (const ir::Node* n : ir::topological_order(bare)) CHECK(n->op != &ops::custom_gradient);
  CHECK(ops::without_custom_gradients({x + 1})[0].node()->inputs.size() == 2);
}

} // namespace kroton::test
