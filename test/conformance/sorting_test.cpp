/// Sorting and searching through library calls, in every dtype and along every axis.
#include <algorithm>
#include <cmath>
#include <limits>

#include <kroton/core.hpp>
#include <kroton/grad.hpp>
#include <kroton/ops/sorting.hpp>
#include <kroton/vmap.hpp>

#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

/// Elements of which many are equal; floats have zeros of both signs, NaNs and infinities too.
Array with_ties(DType t, const Shape& shape, std::uint64_t seed) {
  Rng rng(seed);
  Array a = Array::empty(DType::f64, shape);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const double special[] = {-0.0, 0.0, std::nan(""), infinity, -infinity};
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const auto v = static_cast<double>(rng.below(200)) - (is_unsigned_int(t) ? 0 : 100);
    a.data<double>()[i] = is_float(t) && rng.below(4) == 0 ? special[rng.below(5)] : v;
  }
  return a.astype(t);
}

void check_sorting(DType t, const std::vector<Shape>& shapes) {
  const Expr x = tensor(t, {dim(), dim(), dim()}, "x");
  std::vector<Expr> outputs{sort(x),    sort(x, 0, true),    sort(transpose(x), 1),
                            argsort(x), argsort(x, 1, true), argsort(x, 0)};
  const auto [values, positions] = sort_and_argsort(x, 1, true);
  outputs.insert(outputs.end(), {values, positions});
  for (bool largest : {true, false}) {
    const auto [best, which] = topk(x, Dim(2), 1, largest);
    outputs.insert(outputs.end(), {best, which});
  }
  const Expr line = sort(reshape(x, {-1}));
  for (bool right : {false, true}) outputs.push_back(searchsorted(line, x, right));
  const Function f = function({x}, outputs);
  for (const Shape& shape : shapes) {
    const Array given = with_ties(t, shape, 3);
    const std::vector<Array> got = f({given}), want = reference({x}, {given}, outputs);
    for (std::size_t i = 0; i < want.size(); ++i) {
      INFO(to_string(t) << ", " << given.label() << ", output " << i);
      CHECK(difference(got[i], want[i]) == "");
    }
  }
}

} // namespace

TEST_CASE("sorting equals the evaluator's, in every dtype and along any axis",
          "[conformance][sorting]") {
  for (DType t : all_dtypes)
    check_sorting(t, {{2, 3, 5}, {1, 2, 1}, {0, 3, 4}, {3, 4, 0}, {3, 300, 2}, {2, 2, 700}});
}

TEST_CASE("long lines, and many, are sorted alike whatever the thread count",
          "[conformance][sorting]") {
  const Expr x = vector<float>("x"), y = vector<std::int64_t>("y");
  const Expr rows = reshape(x, {300, 1000});
  const std::vector<Expr> outputs{sort(x),
                                  argsort(x),
                                  sort(y),
                                  sort(y * 0),
                                  argsort(y, -1, true),
                                  topk(x, 1000).positions,
                                  sort(cast(x, DType::f64) * x),
                                  sort(rows),
                                  argsort(rows),
                                  topk(rows, 700).values};
  Rng rng(7);
  constexpr std::int64_t n = 300000;
  Array floats = Array::empty<float>({n}), integers = Array::empty<std::int64_t>({n});
  for (std::int64_t i = 0; i < n; ++i) {
    floats.data<float>()[i] = static_cast<float>(rng.uniform(-1, 1) * rng.uniform(0, 1));
    // Nearly all are among a few, so that one piece has nearly all.
    integers.data<std::int64_t>()[i] = rng.below(1000);
  }
  integers.data<std::int64_t>()[n / 2] = std::numeric_limits<std::int64_t>::max();
  const auto want = reference({x, y}, {floats, integers}, outputs);
  for (int threads : {1, 3}) {
    const auto got = function({x, y}, outputs, {.threads = threads})({floats, integers});
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(difference(got[i], want[i]) == "");
  }
}

TEST_CASE("gradients of sorted elements go to where they come from", "[conformance][sorting]") {
  const Expr x = matrix<double>("x"), w = matrix<double>("w");
  const Expr of_sort = grad(sum(sort(x, 1) * w), x), of_top = grad(sum(topk(x, 2, 1).values), x);
  const Expr second = grad(sum(of_sort * of_sort), w);
  const Array xs = Array::from<double>({3, 1, 2, 5, 6, 4}, {2, 3}),
              ws = Array::from<double>({10, 20, 30, 40, 50, 60}, {2, 3});
  const auto got = function({x, w}, {of_sort, of_top, second})({xs, ws});
  CHECK(difference(got[0], Array::from<double>({30, 10, 20, 50, 60, 40}, {2, 3})) == "");
  CHECK(difference(got[1], Array::from<double>({1, 0, 1, 1, 1, 0}, {2, 3})) == "");
  CHECK(difference(got[2], Array::from<double>({20, 40, 60, 80, 100, 120}, {2, 3})) == "");
}

TEST_CASE("sorting each element of an axis is sorting", "[conformance][sorting]") {
  const Expr x = tensor(DType::f32, {dim(), dim(), 3}, "x"), v = vector<float>("v");
  const Array given = with_ties(DType::f32, {4, 5, 3}, 5), values = with_ties(DType::f32, {6}, 6);
  const auto f = [&](const std::vector<Expr>& given_to) {
    const Expr& m = given_to[0];
    return std::vector<Expr>{sort(m, 0), argsort(m), topk(m, 2).values,
                             searchsorted(sort(reshape(m, {-1})), v)};
  };
  const std::vector<Expr> mapped = vmap(f)({x});
  const auto got = function({x, v}, mapped)({given, values});
  for (std::int64_t i = 0; i < 4; ++i) {
    const Expr one = index(x, {i});
    const auto want = function({x, v}, f({one}))({given, values});
    for (std::size_t k = 0; k < want.size(); ++k)
      CHECK(difference(got[k].slice(0, i, i + 1).reshape(want[k].shape()), want[k]) == "");
  }
}

TEST_CASE("bins, counts and histograms are NumPy's", "[conformance][sorting]") {
  const Expr x = vector<double>("x"), k = vector<std::int32_t>("k"), w = vector<float>("w");
  const auto [counts, edges] = histogram(x, 4, 0.0, 2.0);
  const auto [all, found] = histogram(x, 3);
  const Function f =
      function({x, k, w}, {counts, edges, all, found, bincount(k, Dim(5)), bincount(k, Dim(5), w),
                           digitize(x, edges), digitize(x, edges, true)});
  const Array xs = Array::from<double>({0, 0.5, 0.49999999999999994, 2, 2.1, -0.1, 1.25}, {7}),
              ks = Array::from<std::int32_t>({1, 4, 1, 0}, {4}),
              ws = Array::from<float>({0.5F, 2, 0.25F, -1}, {4});
  const auto got = f({xs, ks, ws});
  CHECK(equal(got[0], Array::from<std::int64_t>({2, 1, 1, 1}, {4})));
  CHECK(equal(got[1], Array::from<double>({0, 0.5, 1, 1.5, 2}, {5})));
  CHECK(equal(got[2], Array::from<std::int64_t>({4, 1, 2}, {3})));
  CHECK(got[3].at<double>({0}) == -0.1);
  CHECK(got[3].at<double>({3}) == 2.1);
  CHECK(equal(got[4], Array::from<std::int64_t>({1, 2, 0, 0, 1}, {5})));
  CHECK(equal(got[5], Array::from<float>({-1, 0.75F, 0, 0, 2}, {5})));
  CHECK(equal(got[6], Array::from<std::int64_t>({1, 2, 1, 5, 5, 0, 3}, {7})));
  CHECK(equal(got[7], Array::from<std::int64_t>({0, 1, 1, 4, 5, 0, 3}, {7})));
  CHECK_THROWS_AS(f({xs, Array::from<std::int32_t>({1, -1, 1, 0}, {4}), ws}), IndexError);
  CHECK_THROWS_AS(f({xs, Array::from<std::int32_t>({1, 5, 1, 0}, {4}), ws}), IndexError);
  CHECK_THROWS_AS(histogram(x, 0, 0.0, 1.0), ShapeError);
  CHECK_THROWS_AS(bincount(x, Dim(3)), TypeError);
}

TEST_CASE("quantiles are NumPy's, by each method", "[conformance][sorting]") {
  const Expr x = tensor(DType::f64, {dim(), dim()}, "x"), k = vector<std::int32_t>("k");
  std::vector<Expr> outputs{median(x, 1), median(x), percentile(x, 25, 0, Quantile::linear, true)};
  for (Quantile m :
       {Quantile::linear, Quantile::lower, Quantile::higher, Quantile::midpoint, Quantile::nearest})
    outputs.push_back(quantile(k, 0.3, {}, m));
  outputs.push_back(grad(sum(median(x, 1)), x));
  const Array xs = Array::from<double>({4, 1, 3, 2, 7, 8, 5, std::nan("")}, {2, 4}),
              ks = Array::from<std::int32_t>({50, 20, 40, 10, 30, 60}, {6});
  const auto got = function({x, k}, outputs)({xs, ks});
  const double none = std::nan("");
  CHECK(difference(got[0], Array::from<double>({2.5, none}, {2})) == "");
  CHECK(difference(got[1], Array::scalar(none)) == "");
  CHECK(difference(got[2], Array::from<double>({4.75, 2.75, 3.5, none}, {1, 4})) == "");
  CHECK(difference(got[3], Array::scalar(25.0)) == ""); // numpy.quantile(k, 0.3)
  CHECK(equal(got[4], Array::scalar(std::int32_t{20})));
  CHECK(equal(got[5], Array::scalar(std::int32_t{30})));
  CHECK(difference(got[6], Array::scalar(25.0)) == "");
  CHECK(equal(got[7], Array::scalar(std::int32_t{30}))); // of 1.5 between, the even position
  CHECK(difference(got[8].slice(0, 0, 1), Array::from<double>({0, 0, 0.5, 0.5}, {1, 4})) == "");
  CHECK_THROWS_AS(quantile(x, 1.5), ShapeError);
}

TEST_CASE("sorting refuses what it cannot do, where it was written", "[conformance][sorting]") {
  const Expr x = vector<float>("x");
  CHECK_THROWS_AS(sort(scalar<float>("s")), ShapeError);
  CHECK_THROWS_AS(argsort(x, 1), ShapeError);
  CHECK_THROWS_AS(topk(tensor(DType::f32, {3}), 4), ShapeError);
  CHECK_THROWS_AS(partition(tensor(DType::f32, {3}), 3), ShapeError);
  CHECK_THROWS_AS(searchsorted(matrix<float>("m"), x), ShapeError);
  const Function f = function({x}, {topk(x, 4).values, partition(x, -2)});
  CHECK_NOTHROW(f({Array::zeros(DType::f32, {4})}));
  CHECK_THROWS_AS(f({Array::zeros(DType::f32, {3})}), ShapeError);
}

} // namespace kroton::test
