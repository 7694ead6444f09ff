/// What compiled functions make of gradients and ops of the user's own, checkpoints and
/// derivatives.
#include <kroton/core.hpp>
#include <kroton/custom.hpp>
#include <kroton/jacobian.hpp>
#include <kroton/sparse_jacobian.hpp>

#include <algorithm>
#include <cmath>
#include <string>

#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"

namespace kt = kroton;

namespace kroton::test {
namespace {

using Exprs = std::vector<kt::Expr>;

std::vector<double> values(const kt::Array& a) {
  const kt::Array dense = a.astype(DType::f64).contiguous();
  return {dense.data<double>(), dense.data<double>() + dense.numel()};
}

const kt::ElementwiseOp& cubed() {
  static const kt::ElementwiseOp op(
      {.name = "cubed",
       .text = "{0} * {0} * {0}",
       .vectors = "{0} * {0} * {0}",
       .evaluate = [](const auto* v) { return v[0] * v[0] * v[0]; },
       .gradient = [](const Exprs& v, const kt::Expr&,
                      const kt::Expr& g) { return Exprs{3 * v[0] * v[0] * g}; }});
  return op;
}

} // namespace

TEST_CASE("an elementwise op of one's own is compiled, fused and differentiated",
          "[function][custom]") {
  const auto x = kt::vector<double>("x");
  const kt::Expr y = cubed()(2 * x) + 1;
  const kt::Array xs = kt::Array::from({1.0, -2.0, 0.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0});
  const kt::Function f =
      kt::function({x}, {y, kt::grad(kt::sum(y), x)}, {.mode = kt::Mode::verify});
  const kt::Results r = f(xs);
  for (std::int64_t i = 0; i < xs.numel(); ++i) {
    const double v = xs.data<double>()[i];
    CHECK(values(r[0])[static_cast<std::size_t>(i)] == 8 * v * v * v + 1);
    CHECK(values(r[1])[static_cast<std::size_t>(i)] == 24 * v * v);
  }
  CHECK(kt::function({x}, y).stats().kernels == 1);
  const auto s = kt::matrix<float>("s");
  CHECK(values(cubed()(s).eval({{s, kt::Array::from({2.0f}, {1, 1})}}))[0] == 8);
  kt::verify_grad([](auto& v) { return kt::tanh(cubed()(v[0])); },
                  {kt::Array::from({0.3, -0.7, 0.9})});
}

TEST_CASE("ops of one's own have several operands and use what kernels have",
          "[function][custom]") {
  const kt::ElementwiseOp damped({.name = "damped",
                                  .arity = 2,
                                  .text = "exp_{t}(-{0}) * {1}",
                                  .evaluate = [](const auto* v) { return std::exp(-v[0]) * v[1]; },
                                  .gradient =
                                      [](const Exprs& v, const kt::Expr& out, const kt::Expr& g) {
                                        return Exprs{-out * g, kt::exp(-v[0]) * g};
                                      }});
  const auto x = kt::tensor<double>({3, 1}, "x"), y = kt::tensor<double>({4}, "y");
  const kt::Array xs = kt::Array::from({0.1, 0.2, 0.3}, {3, 1}),
                  ys = kt::Array::from({1.0, 2.0, 3.0, 4.0});
  const kt::Function f = kt::function({x, y}, {damped({x, y})}, {.mode = kt::Mode::verify});
  CHECK(values(f(xs, ys))[5] == Approx(std::exp(-0.2) * 2).epsilon(1e-15));
  kt::verify_grad([&](auto& v) { return damped({v[0], v[1]}); }, {xs, ys});
}

TEST_CASE("ops of one's own are told apart by what they compute", "[function][custom]") {
  const auto make = [](const char* text, auto evaluate) {
    return kt::ElementwiseOp({.name = "mine", .text = text, .evaluate = evaluate});
  };
  const auto x = kt::scalar<float>("x");
  CHECK(
      make("{0} + 1", [](const auto* v) { return v[0] + 1; })(x).eval({{x, 2.0f}}).item<float>() ==
      3);
  CHECK(
      make("{0} + 2", [](const auto* v) { return v[0] + 2; })(x).eval({{x, 2.0f}}).item<float>() ==
      4);
}

TEST_CASE("an op of one's own says what is wrong with it", "[function][custom]") {
  const auto define = [](std::string name, int arity, std::string text) {
    return kt::ElementwiseOp(
        {.name = name, .arity = arity, .text = text, .evaluate = [](const auto* v) {
           return v[0];
         }});
  };
  CHECK(message_of<kt::GraphError>([&] { define("a b", 1, "{0}"); }) ==
        "ElementwiseOp: no name of an op: a b\n"
        "  at custom_test.cpp:LINE\n"
        "  hint: use letters, digits, - and _");
  CHECK(message_of<kt::GraphError>([&] {
          define("a", 4, "{0}");
        }).starts_with("ElementwiseOp: no number of operands: 4\n"));
  CHECK(message_of<kt::GraphError>([&] {
          define("a", 1, "{1}");
        }).starts_with("ElementwiseOp: no expression of 1 operands: {1}\n"));
  CHECK(message_of<kt::GraphError>([&] {
          define("a", 1, "{ return 1; }");
        }).starts_with("ElementwiseOp: no expression of 1 operands: { return 1; }\n"));
  CHECK(message_of<kt::GraphError>([&] {
          define("a", 1, "");
        }).starts_with("ElementwiseOp: no text for: a\n"));
  const auto x = kt::scalar<float>("x");
  CHECK_THROWS_AS(cubed()({x, x}), kt::GraphError);
  CHECK_THROWS_AS(kt::function({x}, define("broken", 1, "no_such_name({0})")(x)), kt::CompileError);
  CHECK(message_of<kt::UnsupportedError>([&] {
          kt::grad(define("bare", 1, "{0}")(x), x);
        }).find("has no gradient") != std::string::npos);
}

TEST_CASE("a chain of checkpoints keeps its arguments alone", "[function][custom]") {
  constexpr std::int64_t n = 1 << 16;
  const auto x = kt::tensor<float>({n}, "x");
  // Matrices are what is kept: a product in each layer, so that no kernel holds the whole chain.
  const auto w = kt::tensor<float>({64, 64}, "w");
  const auto layer = [&](const Exprs& v) {
    kt::Expr h = kt::reshape(v[0], {n / 64, 64});
    for (int i = 0; i < 4; ++i) h = kt::tanh(kt::dot(h, w));
    return kt::reshape(h, {n});
  };
  const auto gradient = [&](auto&& f) {
    kt::Expr h = x;
    for (int i = 0; i < 6; ++i) h = f({h});
    return kt::grad(kt::sum(h * h), x);
  };
  const kt::Function plain = kt::function({x, w}, gradient(layer)),
                     again = kt::function({x, w}, gradient(kt::checkpoint(layer)));
  kt::Array xs = kt::Array::empty<float>({n}), ws = kt::Array::empty<float>({64, 64});
  for (std::int64_t i = 0; i < n; ++i) xs.data<float>()[i] = static_cast<float>(i % 17 - 8) / 8;
  for (std::int64_t i = 0; i < 64 * 64; ++i)
    ws.data<float>()[i] = static_cast<float>(i * 5 % 13 - 6) / 48;
  const std::vector<double> a = values(plain(xs, ws)), b = values(again(xs, ws));
  CHECK(a == b);
  // Of one size all: how many arrays there are at once.
  const auto slots = [](const kt::Function& f) {
    const std::string text = f.explain();
    int most = 0;
    for (std::size_t at = text.find(" slot "); at != text.npos; at = text.find(" slot ", at + 1))
      most = std::max(most, std::stoi(text.substr(at + 6)) + 1);
    return most;
  };
  CHECK(slots(plain) >= 24); // what each layer's four steps give
  CHECK(slots(again) <= 14); // what six layers start from, and the inside of one
}

TEST_CASE("derivatives compile, and take the amounts that they should", "[function][custom]") {
  constexpr std::int64_t n = 1000;
  const auto x = kt::tensor<double>({n}, "x"), v = kt::tensor<double>({n}, "v");
  const kt::Expr a = x[{kt::Range{0, n - 1}}], b = x[{kt::Range{1, n}}];
  const kt::Expr cost = kt::sum(100 * (b - a * a) * (b - a * a) + (1 - a) * (1 - a));
  const kt::SparseJacobian h = kt::sparse_hessian(cost, x);
  CHECK(h.colours == 3);
  kt::Array xs = kt::Array::empty<double>({n}), vs = kt::Array::empty<double>({n});
  for (std::int64_t i = 0; i < n; ++i) {
    xs.data<double>()[i] = std::cos(static_cast<double>(i));
    vs.data<double>()[i] = std::sin(static_cast<double>(3 * i));
  }
  const kt::Function f = kt::function(
      {x, v}, {h.values, kt::hessian_vector_product(cost, x, v), kt::dot(h.dense(), v)});
  const kt::Results r = f(xs, vs);
  const std::vector<double> product = values(r[1]), by_matrix = values(r[2]),
                            entries = values(r[0]);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    CHECK(product[at] == Approx(by_matrix[at]).epsilon(1e-9).margin(1e-9));
    double sum = 0;
    for (std::int64_t e = h.starts[at]; e < h.starts[at + 1]; ++e)
      sum += entries[static_cast<std::size_t>(e)] *
             vs.data<double>()[h.columns[static_cast<std::size_t>(e)]];
    CHECK(product[at] == Approx(sum).epsilon(1e-9).margin(1e-9));
  }
}

} // namespace kroton::test
