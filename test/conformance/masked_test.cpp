/// Gradients behind what leaves elements out, compiled: kernels choose, they do not multiply by 0.
#include <cmath>
#include <limits>

#include <kroton/core.hpp>
#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/transcendental.hpp>

#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

constexpr std::int64_t n = 37; // vectors and what remains of them

using Make = Expr (*)(const Expr&);
struct Function1 {
  const char* name;
  Make f;
  double bad; ///< its value or its derivative is infinite or NaN there
};
const Function1 functions[] = {
    {"sqrt", [](const Expr& x) { return sqrt(x); }, 0},
    {"sqrt of negative numbers", [](const Expr& x) { return sqrt(x); }, -1},
    {"log", [](const Expr& x) { return log(x); }, 0},
    {"log1p", [](const Expr& x) { return log1p(x); }, -1},
    {"1 / x", [](const Expr& x) { return 1.0 / x; }, 0},
    {"x / x", [](const Expr& x) { return x / (x * x); }, 0},
    {"x^0.5", [](const Expr& x) { return pow(x, 0.5); }, 0},
    {"x^-2", [](const Expr& x) { return pow(x, -2.0); }, 0},
    {"exp", [](const Expr& x) { return exp(x); }, 1e4},
    {"log of a sum", [](const Expr& x) { return log(sqrt(x) + tanh(x)); }, 0},
};

/// Costs of v = f(x) that depend on the elements at odd positions alone.
std::vector<Expr> costs(const Expr& v, const Expr& odd) {
  const Expr m = broadcast_to(reshape(v, {n, 1}), {n, 5});
  return {
      sum(where(odd, v, 0.0)),           sum(where(odd, v * v, 1.0)) / sum(cast(odd, v.dtype())),
      sum(slice(v, {{1, {}, 2}})),       sum(index(v, {2 * arange(n / 2) + 1})),
      sum(where(odd, sum(m, {1}), 0.0)), sum(where(reshape(odd, {n, 1}), m * 2.0, 0.0)),
      max(where(odd, v, -1e30))};
}

void check(DType t, Mode mode) {
  for (const Function1& c : functions) {
    const Expr x = tensor(t, {n}, "x"), odd = mod(arange(n), 2) == 1;
    std::vector<Expr> outputs;
    for (const Expr& cost : costs(c.f(x), odd)) {
      outputs.push_back(grad(cost, x));
      outputs.push_back(grad(sum(outputs.back() * outputs.back()), x));
    }
    const kroton::Function f = function({x}, outputs, {.mode = mode});
    Array good = Array::empty(DType::f64, {n});
    for (std::int64_t i = 0; i < n; ++i)
      good.data<double>()[i] = 0.5 + static_cast<double>(i * 7 % n) / n;
    Array mixed = good.copy();
    for (std::int64_t i = 0; i < n; i += 2) mixed.data<double>()[i] = c.bad;
    const auto want = f({good.astype(t)}), got = f({mixed.astype(t)});
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      const Array w = want[k].astype(DType::f64), g = got[k].astype(DType::f64);
      INFO(c.name << ", " << to_string(t) << ", output " << k);
      int wrong = 0;
      for (std::int64_t i = 0; i < n; ++i)
        wrong += !(g.data<double>()[i] == (i % 2 == 0 ? 0.0 : w.data<double>()[i]));
      CHECK(wrong == 0);
    }
  }
}

} // namespace

TEST_CASE("gradients of what is left out are zero in kernels too", "[conformance][anywhere]") {
  for (const DType t : {DType::f32, DType::f64})
    for (const Mode mode : {Mode::fast, Mode::plain}) check(t, mode);
}

} // namespace kroton::test
