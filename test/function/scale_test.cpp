/// Graphs as large as unrolled loops make them: nothing recurses over them, and time grows with
/// their length. Times are printed, not asserted; a stage that takes the square of the length would
/// run for hours.
#include <kroton/core.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>

#include <sys/resource.h>

#include "test/support/catch.hpp"

namespace kt = kroton;
using kt::Array;
using kt::Expr;

namespace {

/// Prints the time since it was made, or since the last lap.
class Laps {
public:
  explicit Laps(const char* what) { std::printf("%s:", what); }
  ~Laps() { std::printf("\n"); }
  void lap(const char* stage) {
    const auto now = std::chrono::steady_clock::now();
    std::printf(" %s %.0f ms", stage,
                std::chrono::duration<double, std::milli>(now - last_).count());
    last_ = now;
  }

private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

constexpr int longest = 100'000;

/// sum(f(x)) and its gradient at x = 0.5, compiled and called, everything destroyed.
template <class Step> std::pair<float, float> run_chain(const char* what, int length, Step step) {
  Laps laps(what);
  std::pair<float, float> result;
  {
    const Expr x = kt::vector<float>("x");
    std::optional<Expr> e = x;
    for (int i = 0; i < length; ++i) e = step(*e, x, i);
    laps.lap("build");
    std::optional<Expr> cost = kt::sum(*e), g = kt::grad(*cost, x);
    laps.lap("grad");
    std::optional<kt::Function> f = kt::function({x}, {*cost, *g});
    laps.lap("function");
    const kt::FunctionStats s = f->stats();
    std::printf(" (rewrite %.0f, plan %.0f, code %.0f; %d kernels)", s.rewrite_ms, s.plan_ms,
                s.compile_ms, s.kernels);
    const auto out = (*f)({Array::full<float>({3}, 0.5f)});
    result = {out[0].item<float>(), out[1].at<float>({2})};
    laps.lap("call");
    f.reset();
    laps.lap("free the function");
    e.reset();
    cost.reset();
    g.reset();
  }
  laps.lap("free the graph");
  return result;
}

} // namespace

TEST_CASE("a chain of 100,000 transcendental functions", "[function][scale][.slow]") {
  const auto [cost, slope] =
      run_chain("tanh and sigmoid", longest, [](const Expr& e, const Expr&, int i) {
        return i % 2 != 0 ? kt::tanh(e) : kt::sigmoid(e);
      });
  float expected = 0.5f;
  for (int i = 0; i < longest; ++i)
    expected = i % 2 != 0 ? std::tanh(expected) : 1 / (1 + std::exp(-expected));
  CHECK(std::fabs(cost - 3 * expected) < 1e-5f);
  CHECK(slope == 0); // contracting: it underflows
}

TEST_CASE("a chain of 100,000 cheap ops", "[function][scale][.slow]") {
  // Each round of five gives min(-e, x) + x * 0.5 and so on: the gradient stays finite.
  const auto [cost, slope] =
      run_chain("cheap ops", longest, [](const Expr& e, const Expr& x, int i) {
        switch (i % 5) {
        case 0:
          return e + x;
        case 1:
          return e * 0.5f;
        case 2:
          return kt::maximum(e, x);
        case 3:
          return -e;
        default:
          return kt::where(e > 0, e, x);
        }
      });
  CHECK(std::isfinite(cost));
  CHECK(std::isfinite(slope));
}

TEST_CASE("a chain of 3,000 ops of both kinds", "[function][scale]") {
  const auto [cost, slope] =
      run_chain("short chain", 3'000, [](const Expr& e, const Expr& x, int i) {
        return i % 3 == 0 ? kt::tanh(e) + x : e * 0.5f;
      });
  float expected = 0.5f;
  for (int i = 0; i < 3'000; ++i)
    expected = i % 3 == 0 ? std::tanh(expected) + 0.5f : expected * 0.5f;
  CHECK(std::fabs(cost - 3 * expected) < 1e-4f);
  CHECK(std::isfinite(slope));
}

TEST_CASE("the longest chain fits the usual stack", "[function][scale]") {
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_STACK, &limit) == 0);
  if (limit.rlim_cur > (rlim_t{8} << 20))
    WARN("this stack is larger than the usual 8 MiB: the cases here prove less");
  const Expr x = kt::vector<float>("x");
  Expr e = x;
  for (int i = 0; i < longest; ++i) e = kt::tanh(e) + x;
  const Expr g = kt::grad(kt::sum(e), x);
  CHECK(g.shape().size() == 1);
  CHECK(!g.to_string().empty());
}

TEST_CASE("an unrolled recurrence with 2,000 matrix products", "[function][scale]") {
  constexpr int steps = 2'000;
  Laps laps("recurrence");
  const Expr x = kt::tensor<float>({4, 8}, "x");
  const auto w = kt::shared(Array::full<float>({8, 8}, 0.25f), "w");
  Expr h = x;
  for (int i = 0; i < steps; ++i) h = kt::tanh(kt::dot(h, w) + 0.1f);
  const Expr cost = kt::mean(h);
  laps.lap("build");
  const Expr g = kt::grad(cost, w);
  laps.lap("grad");
  const kt::Function f = kt::function({x}, {cost, g});
  laps.lap("function");
  const auto out = f({Array::full<float>({4, 8}, 0.5f)});
  laps.lap("call");
  float expected = 0.5f;
  for (int i = 0; i < steps; ++i) expected = std::tanh(8 * 0.25f * expected + 0.1f);
  CHECK(std::fabs(out[0].item<float>() - expected) < 1e-4f);
  CHECK(f.stats().kernels < 12); // the steps share their code
}

TEST_CASE("2,000 outputs that have nothing in common", "[function][scale]") {
  constexpr int count = 2'000;
  Laps laps("wide");
  std::vector<Expr> inputs, outputs;
  std::vector<Array> arguments;
  for (int i = 0; i < count; ++i) {
    inputs.push_back(kt::vector<float>());
    outputs.push_back(inputs.back() * 2 + 1);
    arguments.push_back(Array::full<float>({i % 7}, static_cast<float>(i)));
  }
  laps.lap("build");
  const kt::Function f = kt::function(inputs, outputs);
  laps.lap("function");
  const auto out = f(arguments);
  laps.lap("call");
  for (int i = 0; i < count; ++i) {
    REQUIRE(out[static_cast<std::size_t>(i)].numel() == i % 7);
    if (i % 7 != 0)
      REQUIRE(out[static_cast<std::size_t>(i)].at<float>({0}) == 2.0f * static_cast<float>(i) + 1);
  }
  CHECK(f.stats().kernels < 4);
}
