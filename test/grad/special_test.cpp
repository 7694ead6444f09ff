/// Special functions and activations where their rows' own tests do not look: values and
/// derivatives at the edges of domains, where two operands are equal, and of second order.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include <kroton/grad.hpp>
#include <kroton/ops/activation.hpp>
#include <kroton/ops/special.hpp>

#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {
namespace {

using Values = std::vector<double>;
using Function1 = Expr (*)(const Expr&);
using Function2 = Expr (*)(const Expr&, const Expr&);

const double inf = std::numeric_limits<double>::infinity();
const double nan = std::numeric_limits<double>::quiet_NaN();

/// Expressions of x and y, for their values.
Values values_of(const std::vector<Expr>& e, const Expr& x, double a, const Expr& y, double b) {
  const ir::Graph g = ir::Graph::capture(e);
  ir::Bindings bindings;
  bindings.size_of = Sizes{};
  for (const auto& [input, v] : {std::pair{x, a}, {y, b}})
    if (const ir::NodeId id = g.find(input); id != ir::no_node)
      bindings.values.emplace(id, Array::scalar<double>(v));
  Values found;
  for (const Array& a : ir::evaluate(g, g.outputs(), bindings)) found.push_back(a.item<double>());
  return found;
}

/// f(a, b) and its derivatives by a and by b.
Values with_slopes(Function2 f, double a, double b) {
  const Expr x = scalar<double>("x"), y = scalar<double>("y");
  const Expr e = f(x, y);
  const std::vector<Expr> slopes = grad(e, {x, y});
  return values_of({e, slopes[0], slopes[1]}, x, a, y, b);
}
/// f(a) and its first derivative.
Values with_slope(Function1 f, double a) {
  const Expr x = scalar<double>("x");
  const Expr e = f(x);
  return values_of({e, grad(e, x)}, x, a, x, a);
}
/// f(a) and its first and second derivative.
Values with_slopes(Function1 f, double a) {
  const Expr x = scalar<double>("x");
  const Expr e = f(x), slope = grad(e, x);
  return values_of({e, slope, grad(slope, x)}, x, a, x, a);
}

void check(const Values& got, const Values& want, double of_value = 1e-13) {
  CAPTURE(got, want);
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(want[i]))
      CHECK(std::isnan(got[i]));
    else if (want[i] == 0 || std::isinf(want[i]))
      CHECK(got[i] == want[i]);
    else
      CHECK(std::fabs(got[i] / want[i] - 1) <= of_value);
  }
}

} // namespace

TEST_CASE("xlogy and xlog1py are 0 at 0 and have the derivatives of their limits", "[grad]") {
  const Function2 f = [](const Expr& x, const Expr& y) { return xlogy(x, y); };
  check(with_slopes(f, 0, 0), {0, -inf, 0});
  check(with_slopes(f, 0, 2), {0, std::log(2), 0});
  check(with_slopes(f, 3, 2), {3 * std::log(2), std::log(2), 1.5});
  check(with_slopes(f, 0, inf), {0, inf, 0});
  check(with_slopes(f, 0, -1), {0, nan, 0});
  check(with_slopes(f, 0, nan), {nan, nan, 0});
  const Function2 g = [](const Expr& x, const Expr& y) { return xlog1py(x, y); };
  check(with_slopes(g, 0, -1), {0, -inf, 0});
  check(with_slopes(g, 2, 1e-20), {2e-20, 1e-20, 2});
}

TEST_CASE("logaddexp has the derivatives of its formula at equal and at infinite operands",
          "[grad]") {
  const Function2 f = [](const Expr& x, const Expr& y) { return logaddexp(x, y); };
  check(with_slopes(f, 1, 1), {1 + std::log(2), 0.5, 0.5});
  check(with_slopes(f, -1000, 1000), {1000, 0, 1});
  check(with_slopes(f, 2, -inf), {2, 1, 0});
  check(with_slopes(f, -inf, 2), {2, 0, 1});
  CHECK(with_slopes(f, -inf, -inf)[0] == -inf);
  CHECK(with_slopes(f, inf, inf)[0] == inf);
  CHECK(with_slopes(f, inf, -inf)[0] == inf);
  CHECK(std::isnan(with_slopes(f, nan, 1)[0]));
  CHECK(std::isnan(with_slopes(f, 1, nan)[0]));
  for (const double v : with_slopes(f, -inf, -inf)) CHECK(!std::isnan(v));
  // The second derivative, s (1 - s) with s = sigmoid(x - y), where both are equal.
  const Expr x = scalar<double>("x"), y = scalar<double>("y");
  const Expr slope = grad(logaddexp(x, y), x);
  check(values_of(grad(slope, {x, y}), x, 3, y, 3), {0.25, -0.25});
  check(values_of(grad(slope, {x, y}), x, 0, y, 1), {0.19661193324148185, -0.19661193324148185});
  CHECK(logaddexp(tensor<float>({}, "x"), 2).dtype() == DType::f32);
  CHECK(logaddexp(tensor<std::uint8_t>({}, "x"), 2).dtype() == DType::f64);
}

TEST_CASE("logdiffexp is exact for near and for infinite operands", "[grad]") {
  const Function2 f = [](const Expr& x, const Expr& y) { return logdiffexp(x, y); };
  check(with_slopes(f, 1001, 1000),
        {1000.541324854612918, 1 / (1 - std::exp(-1)), 1 / (1 - std::exp(1))});
  check(with_slopes(f, 2, -inf), {2, 1, 0});
  CHECK(with_slopes(f, -inf, -inf)[0] == -inf);
  CHECK(with_slopes(f, 5, 5)[0] == -inf);
  CHECK(std::isnan(with_slopes(f, 1, 2)[0]));
}

TEST_CASE("log1mexp and logit have first and second derivatives", "[grad]") {
  check(with_slopes([](const Expr& x) { return log1mexp(x); }, -1),
        {-0.45867514538708189, -0.58197670686932642, -0.92067359420779231});
  check(with_slopes([](const Expr& x) { return log1mexp(x); }, -1e-10),
        {-23.025850929990457, -1e10, -1e20}, 1e-9);
  check(with_slopes([](const Expr& x) { return logit(x); }, 0.25),
        {-1.0986122886681098, 16.0 / 3, -128.0 / 9});
}

TEST_CASE("activations and their derivatives are those of their formulas", "[grad]") {
  const double e = std::exp(-1.0), s = 1 / (1 + e), t = s * (1 - s);
  check(with_slopes([](const Expr& x) { return silu(x); }, 1), {s, s + t, 2 * t + t * (1 - 2 * s)});
  check(with_slopes([](const Expr& x) { return gelu(x, false); }, -1),
        {-0.15865525393145707, -0.083315470587686298, 0.24197072451914337});
  check(with_slopes([](const Expr& x) { return gelu(x, false); }, -20),
        {-5.5072482372124674e-88, -1.1014360483133464e-86, -2.19733744813958575e-85}, 1e-12);
  check(with_slopes([](const Expr& x) { return softsign(x); }, -3), {-0.75, 0.0625, 0.03125});
  check(with_slopes([](const Expr& x) { return elu(x, 2); }, -1), {2 * (e - 1), 2 * e, 2 * e});
  check(with_slopes([](const Expr& x) { return elu(x, 2); }, 800), {800, 1, 0});
  check(with_slopes([](const Expr& x) { return selu(x); }, -1),
        {-1.11133073781256261, 0.646768603034814011, 0.646768603034814011});
  check(with_slope([](const Expr& x) { return leaky_relu(x, 0.25); }, -2), {-0.5, 0.25});
  check(with_slopes([](const Expr& x) { return mish(x); }, 1),
        {0.86509838826731033, 1.0490362200997921, 0.184685764473328264}, 1e-12);
  check(with_slope([](const Expr& x) { return hard_sigmoid(x); }, 1), {2.0 / 3, 1.0 / 6});
  check(with_slope([](const Expr& x) { return hard_sigmoid(x, 0.2); }, 4), {1, 0});
  CHECK(mish(scalar<std::int32_t>("n")).dtype() == DType::f64);
}

namespace {

struct Known {
  std::string_view name;
  double a, b, value;
};
const Known known[] = {
#include "test/grad/special_values.inc"
};

struct Named {
  std::string_view name;
  Function1 function;
  double relative, absolute; ///< either is enough
};
const Named named[] = {
    {"lgamma", [](const Expr& x) { return lgamma(x); }, 1e-15, 3e-14},
    {"digamma", [](const Expr& x) { return digamma(x); }, 2e-15, 2e-14},
    {"trigamma", [](const Expr& x) { return trigamma(x); }, 2e-15, 0},
    {"polygamma2", [](const Expr& x) { return polygamma(2, x); }, 1e-14, 0},
    {"polygamma5", [](const Expr& x) { return polygamma(5, x); }, 1e-13, 0},
    {"erfcx", [](const Expr& x) { return erfcx(x); }, 2e-15, 0},
    {"erfinv", [](const Expr& x) { return erfinv(x); }, 1e-15, 0},
    {"erfcinv", [](const Expr& x) { return erfcinv(x); }, 1e-15, 0},
};

} // namespace

/// The rows' evaluators, which kernels are held to elsewhere, against another's numbers.
TEST_CASE("special functions are what mpmath says", "[grad]") {
  std::size_t count = 0;
  for (const Named& n : named) {
    const Expr x = scalar<double>("x");
    const Expr e = n.function(x);
    for (const Known& k : known) {
      if (k.name != n.name) continue;
      ++count;
      const double got = values_of({e}, x, k.a, x, k.a)[0];
      CAPTURE(k.name, k.a, k.value, got);
      CHECK(std::fabs(got - k.value) <= std::max(n.relative * std::fabs(k.value), n.absolute));
    }
  }
  CHECK(count == std::size(known));
}

TEST_CASE("derivatives of the gamma and error functions are each other", "[grad]") {
  check(with_slopes([](const Expr& x) { return digamma(x); }, 1.5),
        {0.036489973978576520559, 0.93480220054467930942, -0.8287966442343199956});
  check(with_slopes([](const Expr& x) { return trigamma(x); }, 1.5),
        {0.93480220054467930942, -0.8287966442343199956, 1.4090910340024372364}, 1e-12);
  // The slope of erfcx where 2 x erfcx(x) - 2/√π has no digits left.
  check(with_slopes([](const Expr& x) { return erfcx(x); }, 1000),
        {0.00056418930145338765, -5.6418873726549667e-7, 1.1283757819707055e-9}, 1e-12);
  check(with_slopes([](const Expr& x) { return erfcx(x); }, 9.9),
        {0.056702456938832268, -0.0056705197066336224, 0.0011286236863188082}, 1e-9);
  check(with_slopes([](const Expr& x) { return erfinv(x); }, 0.5),
        {0.47693627620446987, 1.1125848189719498, 1.1807463499934}, 1e-13);
  CHECK_THROWS_AS(polygamma(-1, scalar<double>("x")), UnsupportedError);
}

} // namespace kroton::test
