/// Forward mode: for every row the transposed of reverse mode, and what jvp says when it cannot.
#include <kroton/grad.hpp>
#include <kroton/ops/movement.hpp>
#include <kroton/vmap.hpp>

#include <cmath>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/table.hpp"
#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"
#include "test/support/inputs.hpp"
#include "test/support/params.hpp"

namespace kroton::test {
namespace {

using ir::Kind;
using ir::Op;

const Sizes sizes{.by_name = {{"n", 3}, {"m", 4}, {"k", 2}, {"l", 3}}};

/// An expression, and where its inputs are sampled.
struct Use {
  Expr expr;
  std::vector<std::pair<Expr, ir::Domain>> domains = {};
  std::vector<ir::Example::Positions> positions = {};
};

std::vector<Use> uses_of(const Op& op) {
  std::vector<Use> uses;
  const auto domain_of = [&](std::size_t i) {
    return op.domain.empty() ? ir::Domain{} : op.domain[std::min(i, op.domain.size() - 1)];
  };
  const auto add = [&](const std::vector<std::vector<Dim>>& shapes, ir::Params params) {
    Use use{Expr()};
    std::vector<Expr> inputs;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const DType t = &op == &ops::where && i == 0 ? DType::bool_ : DType::f64;
      inputs.push_back(tensor(t, shapes[i], "x"));
      use.domains.emplace_back(inputs.back(), domain_of(i));
    }
    use.expr = ir::make(op, inputs, std::move(params), Location::current());
    uses.push_back(use);
  };
  if (op.is(Kind::elementwise)) {
    std::vector<std::vector<Dim>> same, mixed;
    for (int i = 0; i < op.arity; ++i) {
      same.push_back({3, 4});
      mixed.push_back(i % 2 == 0 ? std::vector<Dim>{3, 1} : std::vector<Dim>{4});
    }
    add(same, elementwise_params(op, DType::f64));
    add(mixed, elementwise_params(op, DType::f64));
  } else if (op.is_reduction()) {
    for (const ir::Ints& axes : {ir::Ints{0}, {0, 2}, {0, 1, 2}})
      add({{2, 3, 4}}, ops::AxesParams{axes});
  } else if (op.examples) {
    for (const ir::Example& e : op.examples(DType::f64)) uses.push_back({e.expr, {}, e.positions});
  }
  return uses;
}

bool has_derivative(const Op& op) {
  return op.gradient && !op.is(Kind::leaf) && !op.is(Kind::generator) && !op.is(Kind::random) &&
         !op.gives_position() && op.result != ir::Result::boolean &&
         op.dtypes != ir::Dtypes::boolean;
}

/// sum(u * jvp(e, x, t)) and sum(t * vjp(e, x, u)), which are equal for a linear map and its
/// transposed one.
std::pair<double, double> both_products(const Use& use, Rng& rng) {
  const Expr u = tensor(DType::f64, use.expr.shape(), "u");
  std::vector<Expr> inputs, tangents;
  for (const Expr& i : inputs_of(use.expr))
    if (is_float(i.dtype())) {
      inputs.push_back(i);
      tangents.push_back(tensor(i.dtype(), i.shape(), "t"));
    }
  const Expr forward = sum(u * jvp({use.expr}, inputs, tangents)[0]);
  const std::vector<Expr> pulled = vjp({use.expr}, inputs, {u});
  Expr reverse = constant(0.0);
  for (std::size_t i = 0; i < inputs.size(); ++i) reverse = reverse + sum(pulled[i] * tangents[i]);
  const std::vector<Expr> outputs{forward, reverse};
  const ir::Graph g = ir::Graph::capture(outputs);
  ir::Bindings bindings;
  bindings.size_of = sizes;
  for (const Expr& e : inputs_of(forward + reverse)) {
    const ir::NodeId id = g.find(e);
    if (id == ir::no_node) continue;
    Shape shape;
    for (const Dim& d : e.shape()) shape.push_back(ir::dims::evaluate(d, sizes));
    ir::Domain domain{-2, 2};
    for (const auto& [input, own] : use.domains)
      if (input.is(e)) domain = own;
    Array values = Array::empty(DType::f64, shape);
    for (std::int64_t i = 0; i < values.numel(); ++i)
      values.data<double>()[i] = is_bool(e.dtype()) ? static_cast<double>(rng.below(2))
                                                    : rng.uniform(domain.lo, domain.hi);
    for (const ir::Example::Positions& p : use.positions)
      if (p.input.is(e))
        for (std::int64_t i = 0; i < values.numel(); ++i) {
          const std::int64_t size = ir::dims::evaluate(p.size, sizes);
          values.data<double>()[i] = static_cast<double>(rng.below(2 * size) - size);
        }
    bindings.values.emplace(id, values.astype(e.dtype()));
  }
  const auto results = ir::evaluate(g, g.outputs(), bindings);
  return {results[0].item<double>(), results[1].item<double>()};
}

Array evaluated(const Expr& e, const std::vector<std::pair<Expr, Array>>& at) {
  const ir::Graph g = ir::Graph::capture({&e, 1});
  ir::Bindings bindings;
  bindings.size_of = sizes;
  for (const auto& [input, v] : at)
    if (const ir::NodeId id = g.find(input); id != ir::no_node) bindings.values.emplace(id, v);
  return ir::evaluate(g, g.outputs(), bindings)[0].contiguous();
}

double value(const Expr& e, const std::vector<std::pair<Expr, Array>>& at) {
  return evaluated(e, at).item<double>();
}

Array number(double v) { return Array::scalar<double>(v); }

} // namespace

TEST_CASE("the tangent of every op is the transposed of its gradient", "[grad][jvp]") {
  int verified = 0;
  for (const Op* op : ops::all()) {
    if (!has_derivative(*op)) continue;
    int count = 0;
    for (const Use& use : uses_of(*op)) {
      if (!is_float(use.expr.dtype())) continue;
      Rng rng(std::hash<std::string_view>{}(op->name) + static_cast<std::uint64_t>(count));
      INFO(op->name << ", use " << count);
      ++count;
      const auto [forward, reverse] = both_products(use, rng);
      CHECK(forward == Approx(reverse).epsilon(1e-11).margin(1e-12));
    }
    verified += count > 0 ? 1 : 0;
  }
  CHECK(verified >= 30);
}

TEST_CASE("a tangent follows chains, several inputs and several uses", "[grad][jvp]") {
  const Expr x = scalar<double>("x"), y = scalar<double>("y"), dx = scalar<double>("dx"),
             dy = scalar<double>("dy");
  const std::vector<std::pair<Expr, Array>> at{
      {x, number(2)}, {y, number(3)}, {dx, number(0.5)}, {dy, number(-1)}};
  CHECK(value(jvp(x * x * y, x, dx), at) == 6);
  CHECK(value(jvp({x * x * y}, {x, y}, {dx, dy})[0], at) == 2);
  CHECK(value(jvp(exp(tanh(x)), x, dx), at) ==
        Approx(0.5 * (1 - std::tanh(2) * std::tanh(2)) * std::exp(std::tanh(2))).epsilon(1e-14));
  CHECK(value(jvp(y, x, dx), at) == 0);
  CHECK(value(jvp(stop_gradient(x) * x, x, dx), at) == 1);
  // By a computed expression, which is then a variable of its own.
  const Expr h = x * x;
  CHECK(value(jvp(h * x, h, dx), at) == 1);
  CHECK(value(jvp({h * x}, {h, x}, {dx, dy})[0], at) == -3);
}

TEST_CASE("second derivatives agree in every order of modes", "[grad][jvp]") {
  const Expr x = scalar<double>("x");
  const std::vector<std::pair<Expr, Array>> at{{x, number(0.7)}};
  const auto f = [](const Expr& v) {
    return exp(-v * v) * tanh(3 * v) + max(softmax(v * arange(3)));
  };
  const Expr one = constant(1.0);
  const double wanted = value(grad(grad(f(x), x), x), at);
  CHECK(value(jvp(grad(f(x), x), x, one), at) == Approx(wanted).epsilon(1e-12));
  CHECK(value(jvp(jvp(f(x), x, one), x, one), at) == Approx(wanted).epsilon(1e-12));
  CHECK(value(grad(jvp(f(x), x, one), x), at) == Approx(wanted).epsilon(1e-12));
  const double third = value(grad(grad(grad(f(x), x), x), x), at);
  CHECK(value(jvp(jvp(jvp(f(x), x, one), x, one), x, one), at) == Approx(third).epsilon(1e-10));
}

TEST_CASE("tangents are zero where gradients are", "[grad][jvp]") {
  const Expr x = vector<double>("x"), t = vector<double>("t");
  const Array xs = Array::from(std::vector<double>{-1, 0, 4}, {3}),
              ts = Array::from(std::vector<double>{1, 1, 1}, {3});
  const auto tangent = [&](const Expr& y) {
    const Array a = evaluated(jvp(y, x, t), {{x, xs}, {t, ts}});
    return std::vector<double>(a.data<double>(), a.data<double>() + a.numel());
  };
  CHECK(tangent(where(x > 0, sqrt(x), 0.0)) == std::vector<double>{0, 0, 0.25});
  CHECK(tangent(sqrt(relu(x)))[0] == 0);
  CHECK(tangent(sqrt(relu(x)))[2] == 0.25);
}

TEST_CASE("jvp keeps dtypes, and sizes that are not known", "[grad][jvp]") {
  const Expr x = matrix<float>("x"), w = tensor<float>({x.shape()[1]}, "w"), n = matrix<int>("n");
  const Expr y = cast<double>(exp(dot(x, w)));
  const Expr t = jvp(y, x, constant(1.0f));
  CHECK(ir::same(t.node()->type, y.node()->type));
  CHECK(jvp({x * 2, sum(x)}, {x}, {x})[1].rank() == 0);
  CHECK(jvp(cast<float>(cast<int>(x)), x, x).shape().size() == 2);
}

TEST_CASE("vmap of tangents, and tangents of vmap", "[grad][jvp]") {
  const Expr x = tensor<double>({2}, "x"), all = tensor<double>({2, 2}, "all");
  const auto f = [](const Expr& v) { return sum(exp(v) * v); };
  const Array xs = Array::from(std::vector<double>{0.1, 0.2}, {2}),
              eye = Array::from(std::vector<double>{1, 0, 0, 1}, {2, 2});
  const Expr slopes = vmap([&](const std::vector<Expr>& v) { return jvp(f(x), x, v[0]); })({all});
  const Array a = evaluated(slopes, {{x, xs}, {all, eye}});
  CHECK(a.data<double>()[0] == Approx(std::exp(0.1) * 1.1));
  CHECK(a.data<double>()[1] == Approx(std::exp(0.2) * 1.2));
  const auto each = vmap([&](const std::vector<Expr>& v) { return f(v[0]); });
  const Array b = evaluated(jvp(each({all}), all, constant(1.0)), {{all, eye}});
  CHECK(b.data<double>()[0] == Approx(std::exp(1.0) * 2 + 1));
}

TEST_CASE("jvp and vjp say what does not fit", "[grad][jvp]") {
  const Expr x = tensor<double>({3}, "x"), f = tensor<float>({3}, "f"),
             s = tensor<double>({2}, "s"), i = tensor<int>({3}, "i");
  CHECK(message_of<TypeError>([&] { jvp(x * x, x, f); }) ==
        "jvp: the tangent of x f64[3] has its dtype, got f f32[3]\n"
        "  at forward_test.cpp:LINE; x from forward_test.cpp:LINE, f from forward_test.cpp:LINE\n"
        "  hint: cast it to f64");
  CHECK(message_of<ShapeError>([&] {
          vjp(x * x, x, s);
        }).starts_with("vjp: the cotangent of mul f64[3] has its shape, got s f64[2]\n"));
  CHECK(message_of<TypeError>([&] {
          jvp(x, i, i);
        }).starts_with("jvp: cannot differentiate with respect to i i32[3]\n"));
  CHECK(message_of<TypeError>([&] {
          jvp(i, x, x);
        }).starts_with("jvp: outputs must be floating, got i i32[3]\n"));
  CHECK(message_of<GraphError>([&] {
          jvp({x}, {x, x}, {x});
        }).starts_with("jvp: 1 tangents for 2 expressions\n"));
  CHECK(message_of<GraphError>([&] {
          vjp({x, x}, {x}, {x});
        }).starts_with("vjp: 1 cotangents for 2 outputs\n"));
  CHECK(message_of<GraphError>([&] { jvp(x, x, Expr()); }).starts_with("jvp: "));
}

} // namespace kroton::test
