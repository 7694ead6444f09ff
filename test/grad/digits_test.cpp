/// Gradients where functions saturate: what is left of 1 - s keeps its digits, written by us or by
/// users.
#include <kroton/grad.hpp>
#include <kroton/ops/activation.hpp>
#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/transcendental.hpp>

#include <cmath>
#include <functional>

#include "lib/ops/build.hpp"
#include "lib/rewrite/pipeline.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {
namespace {

/// The value of an f32 expression of x, rounded after every op, when the rules are through.
double value_at(const Expr& e, const Expr& x, float at) {
  ir::Graph g = ir::Graph::capture({&e, 1});
  rewrite::run_pipeline(g);
  ir::Bindings bindings;
  bindings.size_of = Sizes{};
  if (const ir::NodeId id = g.find(x); id != ir::no_node)
    bindings.values.emplace(id, Array::scalar<float>(at));
  return ir::evaluate(g, g.outputs(), bindings)[0].astype(DType::f64).item<double>();
}

using Exact = double (*)(double);
struct Case {
  const char* name;
  std::function<Expr(const Expr&)> f;
  Exact exact;
};

double slope_of_tanh(double x) {
  const double c = std::cosh(x);
  return 1 / c / c;
}
double logistic(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}
double slope_of_logistic(double x) { return logistic(x) * logistic(-x); }

} // namespace

TEST_CASE("gradients of saturating functions keep their digits", "[grad]") {
  const Case cases[] = {
      {"tanh", [](const Expr& x) { return grad(tanh(x), x); }, slope_of_tanh},
      {"1 - tanh^2", [](const Expr& x) { return 1 - tanh(x) * tanh(x); }, slope_of_tanh},
      {"1 - pow(tanh, 2)", [](const Expr& x) { return 1.0f - pow(tanh(x), 2); }, slope_of_tanh},
      {"(1 - tanh) (1 + tanh)", [](const Expr& x) { return (1 - tanh(x)) * (1 + tanh(x)); },
       slope_of_tanh},
      {"tanh^2 - 1", [](const Expr& x) { return -(tanh(x) * tanh(x) - 1); }, slope_of_tanh},
      {"1 - tanh", [](const Expr& x) { return 1 - tanh(x); },
       [](double x) { return 2 * logistic(-2 * x); }},
      {"sigmoid", [](const Expr& x) { return grad(sigmoid(x), x); }, slope_of_logistic},
      {"s (1 - s)", [](const Expr& x) { return sigmoid(x) * (1 - sigmoid(x)); }, slope_of_logistic},
      {"s - s^2", [](const Expr& x) { return sigmoid(x) - sigmoid(x) * sigmoid(x); },
       slope_of_logistic},
      {"a user's sigmoid", [](const Expr& x) { return grad(1.0f / (1.0f + exp(-x)), x); },
       slope_of_logistic},
      {"softplus", [](const Expr& x) { return grad(softplus(x), x); }, logistic},
      {"softplus, twice", [](const Expr& x) { return grad(grad(softplus(x), x), x); },
       slope_of_logistic},
      {"expm1", [](const Expr& x) { return grad(expm1(x), x); },
       [](double x) { return std::exp(x); }},
      {"exp - 1", [](const Expr& x) { return grad(exp(x) - 1, x); },
       [](double x) { return std::exp(x); }},
      {"tanh, twice", [](const Expr& x) { return grad(grad(tanh(x), x), x); },
       [](double x) { return -2 * std::tanh(x) * slope_of_tanh(x); }},
  };
  for (const Case& c : cases) {
    const Expr x = scalar<float>("x");
    const Expr e = c.f(x);
    for (float at = -30; at <= 30; at += 0.37f) {
      const double got = value_at(e, x, at), want = c.exact(at);
      INFO(c.name << " at " << at << ": " << got << " for " << want);
      CHECK(std::fabs(got - want) <= 3e-6 * std::fabs(want));
    }
  }
}

} // namespace kroton::test
