/// Running folds through library calls, in every dtype and along every axis.
#include <cmath>
#include <limits>

#include <kroton/core.hpp>
#include <kroton/grad.hpp>
#include <kroton/ops/cumulative.hpp>

#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

/// Elements that few digits hold, so that sums of floats are exact.
Array whole_numbers(DType t, const Shape& shape, std::uint64_t seed) {
  Rng rng(seed);
  Array a = Array::empty(DType::i64, shape);
  for (std::int64_t i = 0; i < a.numel(); ++i)
    a.data<std::int64_t>()[i] = is_bool(t) || is_unsigned_int(t) ? rng.below(2) : rng.below(17) - 8;
  return a.astype(t);
}

} // namespace

namespace {

void check_running_sums(DType t, const std::vector<Shape>& shapes) {
  const Expr x = tensor(t, {dim(), dim(), dim()}, "x");
  const std::vector<Expr> outputs{cumsum(x), cumsum(transpose(x)), cumsum(x, 0), cumsum(x, 1),
                                  cumsum(cumsum(x, 1), -1)};
  CHECK(outputs[0].dtype() == sum(x).dtype());
  const Function f = function({x}, outputs);
  for (const Shape& shape : shapes) {
    const Array given = whole_numbers(t, shape, 3);
    const std::vector<Array> got = f({given}), want = reference({x}, {given}, outputs);
    for (std::size_t i = 0; i < want.size(); ++i) {
      INFO(to_string(t) << ", " << given.label() << ", output " << i);
      CHECK(difference(got[i], want[i], {.checks_zero_sign = false}) == "");
    }
  }
}

} // namespace

TEST_CASE("running sums equal the evaluator's, along any axis", "[conformance][anywhere]") {
  for (DType t : {DType::bool_, DType::i16, DType::u8, DType::f32, DType::f64})
    check_running_sums(t, {{2, 3, 5}, {1, 1, 1}, {0, 3, 4}, {3, 0, 4}, {3, 4, 0}, {1, 2, 260}});
}

TEST_CASE("running sums in every dtype, of long lines and of many", "[conformance]") {
  for (DType t : all_dtypes) check_running_sums(t, {{2, 300, 3}, {3, 2, 700}, {2, 3, 200}});
}

TEST_CASE("running sums of f32 keep their digits, whatever the thread count", "[conformance]") {
  const Expr x = matrix<float>("x");
  const std::vector<Expr> outputs{cumsum(x, 0), cumsum(x, 1)};
  Rng rng(7);
  Array given = Array::empty<float>({1000, 1000});
  for (std::int64_t i = 0; i < given.numel(); ++i)
    given.data<float>()[i] = static_cast<float>(rng.uniform(0, 1));
  const auto exact = reference({x}, {given}, outputs, ir::Precision::widened);
  std::vector<Array> first;
  for (int threads : {1, 2, 4}) {
    const auto got = function({x}, outputs, {.threads = threads})({given});
    for (std::size_t i = 0; i < got.size(); ++i) {
      const Array rounded = exact[i].astype(DType::f32);
      CHECK(difference(got[i], rounded, {.ulps = 0.51, .exact = &exact[i]}) == "");
      if (threads > 1) CHECK(equal(got[i], first[i]));
    }
    first = got;
  }
}

namespace {

void check_running_folds(DType t, const std::vector<Shape>& shapes) {
  const Expr x = tensor(t, {dim(), dim(), dim()}, "x");
  std::vector<Expr> outputs;
  for (int axis : {0, 1, 2}) {
    outputs.push_back(cumprod(x, axis));
    outputs.push_back(cummax(x, axis));
    outputs.push_back(cummin(x, axis));
    outputs.push_back(diff(x, 2, axis));
    if (!is_bool(t)) outputs.push_back(linear_recurrence(x, x + x, axis, axis == 1));
  }
  const Function f = function({x}, outputs);
  for (const Shape& shape : shapes) {
    Array given = whole_numbers(t, shape, 3);
    if (is_float(t) && given.numel() > 20) // from here on NaN
      given = function({x}, where(cumsum(x * 0 + 1, 2) == 3, std::nan(""), x))({given})[0];
    const std::vector<Array> got = f({given}), want = reference({x}, {given}, outputs);
    for (std::size_t i = 0; i < want.size(); ++i) {
      INFO(to_string(t) << ", " << given.label() << ", output " << i);
      CHECK(difference(got[i], want[i], {.ulps = 256, .checks_zero_sign = false}) == "");
    }
  }
}

} // namespace

TEST_CASE("running folds equal the evaluator's, along any axis", "[conformance][cumulative]") {
  for (DType t : {DType::bool_, DType::i32, DType::u8, DType::f32, DType::f64})
    check_running_folds(t, {{2, 3, 5}, {1, 1, 1}, {0, 3, 4}, {3, 0, 4}, {3, 4, 0}, {1, 2, 1100}});
}

TEST_CASE("long running folds are the same bits whatever the thread count",
          "[conformance][cumulative]") {
  const Expr x = vector<double>("x");
  const std::vector<Expr> outputs{cumsum(x), cumprod(x), cummax(x), linear_recurrence(x, x),
                                  linear_recurrence(x, x, 0, true)};
  Rng rng(7);
  Array given = Array::empty<double>({150001});
  for (std::int64_t i = 0; i < given.numel(); ++i) given.data<double>()[i] = rng.uniform(0.9, 1.05);
  const auto want = reference({x}, {given}, outputs, ir::Precision::widened);
  std::vector<Array> first;
  for (int threads : {1, 2, 3}) {
    const auto got = function({x}, outputs, {.threads = threads})({given});
    for (std::size_t i = 0; i < got.size(); ++i) {
      CHECK(difference(got[i], want[i], {.ulps = 65536}) == "");
      if (threads > 1) CHECK(equal(got[i], first[i]));
    }
    first = got;
  }
}

TEST_CASE("gradients of running products are exact at zeros", "[conformance][cumulative]") {
  const Expr x = vector<double>("x"), w = vector<double>("w");
  const Expr g = grad(sum(cumprod(x) * w), x);
  const Array weights = Array::from<double>({1, 10, 100, 1000}, {4});
  const Function f = function({x, w}, {g, grad(sum(g * w), x)});
  // d/dx of x0 + 10 x0 x1 + 100 x0 x1 x2 + 1000 x0 x1 x2 x3 at (2, 0, 3, 5)
  const auto got = f({Array::from<double>({2, 0, 3, 5}, {4}), weights});
  CHECK(difference(got[0], Array::from<double>({1, 20 + 600 + 30000, 0, 0}, {4})) == "");
  // Its derivative along w: the Hessian's rows times (1, 10, 100, 1000).
  const double h01 = 10 + 300 + 15000, h12 = 200 + 10000, h13 = 6000;
  CHECK(difference(got[1],
                   Array::from<double>({10 * h01, h01 + 100 * h12 + 1000 * h13, 10 * h12, 10 * h13},
                                       {4})) == "");
  const auto of_none = f({Array::zeros(DType::f64, {0}), Array::zeros(DType::f64, {0})});
  CHECK(of_none[0].numel() == 0);
}

TEST_CASE("of equal extremes the last one gets the gradient", "[conformance][cumulative]") {
  const Expr x = vector<double>("x");
  const Array at = Array::from<double>({1, 3, 3, 2, 4, 0}, {6});
  const auto got = function({x}, {grad(sum(cummax(x)), x), grad(sum(cummin(x)), x)})({at});
  CHECK(difference(got[0], Array::from<double>({1, 1, 2, 0, 2, 0}, {6})) == "");
  CHECK(difference(got[1], Array::from<double>({5, 0, 0, 0, 0, 1}, {6})) == "");
}

TEST_CASE("logarithms of running sums of exponentials do not overflow",
          "[conformance][cumulative]") {
  const Expr x = vector<double>("x");
  const Expr y = logcumsumexp(x), first = y[IndexItem(3)];
  const Function f = function({x}, {y, grad(first, x), trapezoid(x, 0.5)});
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const double log2 = std::log(2);
  const auto got = f({Array::from<double>({-infinity, -1000, -1000, 1000}, {4})});
  CHECK(difference(got[0], Array::from<double>({-infinity, -1000, -1000 + log2, 1000}, {4})) == "");
  CHECK(difference(got[1], Array::from<double>({0, 0, 0, 1}, {4})) == "");
  const auto small = f({Array::from<double>({1, 1, 1, 1}, {4})});
  CHECK(difference(small[0], Array::from<double>({1, 1 + log2, 1 + std::log(3), 1 + 2 * log2}, {4}),
                   {.ulps = 4}) == "");
  CHECK(difference(small[1], Array::from<double>({0.25, 0.25, 0.25, 0.25}, {4}), {.ulps = 4}) ==
        "");
  CHECK(difference(small[2], Array::scalar(1.5)) == "");
}

TEST_CASE("running sums refuse what has no axes", "[conformance]") {
  CHECK_THROWS_AS(cumsum(scalar<float>("x")), ShapeError);
  CHECK_THROWS_AS(cumsum(vector<float>("x"), 1), ShapeError);
}

} // namespace kroton::test
