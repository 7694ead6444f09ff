/// Reductions against loops over the elements of each row: values, dtypes, empty axes, NaNs,
/// gradients.
#include <cmath>
#include <functional>

#include <kroton/core.hpp>
#include <kroton/ops/statistics.hpp>

#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

using Row = std::vector<double>;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

double sum_of(const Row& r) {
  double s = 0;
  for (double v : r) s += v;
  return s;
}
double var_of(const Row& r, double ddof) {
  const double m = sum_of(r) / static_cast<double>(r.size());
  double s = 0;
  for (double v : r) s += (v - m) * (v - m);
  return s / std::max(static_cast<double>(r.size()) - ddof, 0.0);
}
Row without_nans(const Row& r) {
  Row kept;
  for (double v : r)
    if (v == v) kept.push_back(v);
  return kept;
}
double extreme_of(const Row& r, double sign) {
  double e = -inf;
  for (double v : r) e = std::isnan(v) || std::isnan(e) ? nan : std::max(e, sign * v);
  return sign * e;
}
double power_norm(const Row& r, double p) {
  double s = 0;
  for (double v : r) s += std::pow(std::abs(v), p);
  return std::pow(s, 1 / p);
}

struct Reduced {
  const char* name;
  std::function<Expr(const Expr&, Axes, bool)> expr;
  std::function<double(const Row&)> of_row;
};

std::vector<Reduced> reductions() {
  return {
      {"prod", [](const Expr& x, Axes a, bool k) { return prod(x, a, k); },
       [](const Row& r) {
         double p = 1;
         for (double v : r) p *= v;
         return p;
       }},
      {"any", [](const Expr& x, Axes a, bool k) { return any(x, a, k); },
       [](const Row& r) {
         return static_cast<double>(std::ranges::any_of(r, [](double v) { return v != 0; }));
       }},
      {"all", [](const Expr& x, Axes a, bool k) { return all(x, a, k); },
       [](const Row& r) {
         return static_cast<double>(std::ranges::all_of(r, [](double v) { return v != 0; }));
       }},
      {"count_nonzero", [](const Expr& x, Axes a, bool k) { return count_nonzero(x, a, k); },
       [](const Row& r) {
         return static_cast<double>(std::ranges::count_if(r, [](double v) { return v != 0; }));
       }},
      {"ptp", [](const Expr& x, Axes a, bool k) { return ptp(x, a, k); },
       [](const Row& r) { return extreme_of(r, 1) - extreme_of(r, -1); }},
      {"var", [](const Expr& x, Axes a, bool k) { return var(x, a, k); },
       [](const Row& r) { return var_of(r, 0); }},
      {"stddev", [](const Expr& x, Axes a, bool k) { return stddev(x, a, k, 1); },
       [](const Row& r) { return std::sqrt(var_of(r, 1)); }},
      {"norm", [](const Expr& x, Axes a, bool k) { return norm(x, 2, a, k); },
       [](const Row& r) { return power_norm(r, 2); }},
      {"norm 0", [](const Expr& x, Axes a, bool k) { return norm(x, 0, a, k); },
       [](const Row& r) {
         return static_cast<double>(std::ranges::count_if(r, [](double v) { return v != 0; }));
       }},
      {"norm 1", [](const Expr& x, Axes a, bool k) { return norm(x, 1, a, k); },
       [](const Row& r) { return power_norm(r, 1); }},
      {"norm 3", [](const Expr& x, Axes a, bool k) { return norm(x, 3, a, k); },
       [](const Row& r) { return power_norm(r, 3); }},
      {"norm inf", [](const Expr& x, Axes a, bool k) { return norm(x, inf, a, k); },
       [](const Row& r) {
         Row s;
         for (double v : r) s.push_back(std::abs(v));
         return extreme_of(s, 1);
       }},
      {"norm -inf", [](const Expr& x, Axes a, bool k) { return norm(x, -inf, a, k); },
       [](const Row& r) {
         Row s;
         for (double v : r) s.push_back(std::abs(v));
         return extreme_of(s, -1);
       }},
      {"nansum", [](const Expr& x, Axes a, bool k) { return nansum(x, a, k); },
       [](const Row& r) { return sum_of(without_nans(r)); }},
      {"nanprod", [](const Expr& x, Axes a, bool k) { return nanprod(x, a, k); },
       [](const Row& r) {
         double p = 1;
         for (double v : without_nans(r)) p *= v;
         return p;
       }},
      {"nanmean", [](const Expr& x, Axes a, bool k) { return nanmean(x, a, k); },
       [](const Row& r) {
         const Row kept = without_nans(r);
         return sum_of(kept) / static_cast<double>(kept.size());
       }},
      {"nanmax", [](const Expr& x, Axes a, bool k) { return nanmax(x, a, k); },
       [](const Row& r) {
         const Row kept = without_nans(r);
         return kept.empty() ? nan : extreme_of(kept, 1);
       }},
      {"nanmin", [](const Expr& x, Axes a, bool k) { return nanmin(x, a, k); },
       [](const Row& r) {
         const Row kept = without_nans(r);
         return kept.empty() ? nan : extreme_of(kept, -1);
       }},
      {"nanvar", [](const Expr& x, Axes a, bool k) { return nanvar(x, a, k, 1); },
       [](const Row& r) {
         const Row kept = without_nans(r);
         return kept.size() <= 1 ? nan : var_of(kept, 1);
       }},
      {"nanstd", [](const Expr& x, Axes a, bool k) { return nanstd(x, a, k); },
       [](const Row& r) { return std::sqrt(var_of(without_nans(r), 0)); }},
  };
}

bool is_near(double got, double want, double tolerance) {
  if (std::isnan(want)) return std::isnan(got);
  if (std::isinf(want)) return got == want;
  return std::abs(got - want) <= tolerance * std::max(1.0, std::abs(want));
}

/// Each reduction of an array over no axes, the last, the first, and all, beside that of its rows.
void check_reductions(DType t, const Array& given) {
  const Expr x = tensor(t, {dim(), dim()}, "x");
  const auto all_of = reductions();
  std::vector<Expr> outputs;
  for (const Reduced& r : all_of) {
    outputs.push_back(r.expr(x, {1}, false));
    outputs.push_back(r.expr(x, {0}, true));
    outputs.push_back(r.expr(x, {}, false));
  }
  const auto got = function({x}, outputs)({given});
  const Array wide = given.astype(DType::f64);
  const std::int64_t rows = given.shape()[0], columns = given.shape()[1];
  const auto value = [&](std::int64_t i, std::int64_t j) {
    return wide.data<double>()[i * columns + j];
  };
  Row whole;
  std::vector<Row> of_rows(static_cast<std::size_t>(rows)),
      of_columns(static_cast<std::size_t>(columns));
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) {
      whole.push_back(value(i, j));
      of_rows[static_cast<std::size_t>(i)].push_back(value(i, j));
      of_columns[static_cast<std::size_t>(j)].push_back(value(i, j));
    }
  const double tolerance = t == DType::f32 ? 3e-5 : 1e-11;
  for (std::size_t r = 0; r < all_of.size(); ++r) {
    const auto check = [&](const Array& result, const Shape& shape, const std::vector<Row>& of) {
      INFO(all_of[r].name << " of " << given.label() << " is " << result.label());
      REQUIRE(result.shape() == shape);
      const Array values = result.astype(DType::f64);
      for (std::size_t i = 0; i < of.size(); ++i) {
        const double want = all_of[r].of_row(of[i]), is = values.data<double>()[i];
        INFO("row " << i << ": " << is << " instead of " << want);
        CHECK(is_near(is, want, tolerance));
      }
    };
    check(got[3 * r], {rows}, of_rows);
    check(got[3 * r + 1], {1, columns}, of_columns);
    check(got[3 * r + 2], {}, {whole});
  }
}

/// Numbers near 1, some of them zero and, in floats, NaN.
Array sparse_numbers(DType t, const Shape& shape, bool has_nans, std::uint64_t seed) {
  Rng rng(seed);
  Array a = Array::empty<double>(shape);
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const auto kind = rng.below(has_nans ? 4 : 5);
    const double sign = is_unsigned_int(t) || is_bool(t) ? 1 : rng.below(2) == 0 ? 1 : -1;
    a.data<double>()[i] = kind == 0               ? 0
                          : kind == 1 && has_nans ? nan
                          : is_float(t)           ? sign * rng.uniform(0.6, 1.6)
                                                  : sign * static_cast<double>(1 + rng.below(2));
  }
  return a.astype(t);
}

Expr column(const Expr& x, std::int64_t i) { return index(x, {Range{}, i}); }

} // namespace

TEST_CASE("reductions are what loops over the rows give", "[conformance]") {
  check_reductions(DType::f64, sparse_numbers(DType::f64, {3, 5}, false, 1));
  check_reductions(DType::f32, sparse_numbers(DType::f32, {4, 70}, false, 2));
}

TEST_CASE("reductions without NaNs, and of rows that are all NaN", "[conformance]") {
  Array a = sparse_numbers(DType::f64, {4, 6}, true, 5);
  for (std::int64_t j = 0; j < 6; ++j) a.data<double>()[6 + j] = nan;
  for (std::int64_t j = 1; j < 6; ++j) a.data<double>()[j] = nan;
  const Expr x = matrix<double>("x");
  check_reductions(DType::f64, a);
  const Array b = Array::from<double>({nan, 2, 5, nan, nan, nan, -inf, nan, -inf}, {3, 3});
  const auto got = function({x}, {nanargmax(x), nanargmin(x)})({b});
  CHECK(equal(got[0], Array::from<std::int64_t>({2, -1, 0}, {3})));
  CHECK(equal(got[1], Array::from<std::int64_t>({1, -1, 0}, {3})));
}

TEST_CASE("dtypes of reductions are NumPy's, or those that are asked for", "[conformance]") {
  const auto x = [](DType t) { return tensor(t, {dim()}, "x"); };
  CHECK(prod(x(DType::i8)).dtype() == DType::i64);
  CHECK(prod(x(DType::u16)).dtype() == DType::u64);
  CHECK(prod(x(DType::bool_)).dtype() == DType::i64);
  CHECK(prod(x(DType::f32)).dtype() == DType::f32);
  CHECK(any(x(DType::f32)).dtype() == DType::bool_);
  CHECK(count_nonzero(x(DType::f32)).dtype() == DType::i64);
  CHECK(var(x(DType::i32)).dtype() == DType::f64);
  CHECK(var(x(DType::f32)).dtype() == DType::f32);
  CHECK(norm(x(DType::i32), 0).dtype() == DType::f64);
  CHECK(ptp(x(DType::u8)).dtype() == DType::u8);
  CHECK(sum(x(DType::f32), {}, false, DType::f64).dtype() == DType::f64);
  CHECK(mean(x(DType::i32), {}, false, DType::f32).dtype() == DType::f32);
  CHECK_THROWS_AS(sum(x(DType::f32), {}, false, DType::bool_), TypeError);
  CHECK_THROWS_AS(prod(x(DType::f32), {}, false, DType::bool_), TypeError);
  CHECK_THROWS_AS(ptp(x(DType::bool_)), TypeError);
  CHECK_THROWS_AS(norm(x(DType::f32), nan), ShapeError);

  const Expr small = vector<std::uint8_t>("u"), f = vector<float>("f");
  const Function fn =
      function({small, f}, {sum(small, {}, false, DType::u8), prod(small, {}, false, DType::i32),
                            sum(f, {}, false, DType::f64), any(f), all(f)});
  const auto got = fn(
      {Array::from<std::uint8_t>({200, 100, 7}, {3}), Array::from<float>({16777216.f, 1.f}, {2})});
  CHECK(equal(got[0], Array::scalar<std::uint8_t>(51)));
  CHECK(equal(got[1], Array::scalar<std::int32_t>(140000)));
  CHECK(equal(got[2], Array::scalar<double>(16777217.0)));
  const auto none = fn({Array::empty<std::uint8_t>({0}), Array::empty<float>({0})});
  CHECK(equal(none[1], Array::scalar<std::int32_t>(1)));
  CHECK(equal(none[3], Array::scalar<bool>(false)));
  CHECK(equal(none[4], Array::scalar<bool>(true)));
}

TEST_CASE("the spread of numbers far from zero keeps its digits", "[conformance]") {
  const Expr x = vector<float>("x");
  Array a = Array::empty<float>({1000});
  for (std::int64_t i = 0; i < 1000; ++i)
    a.data<float>()[i] = 1e6f + static_cast<float>(i % 2 == 0 ? 1 : -1);
  const auto got = function({x}, {var(x), stddev(x)})({a});
  CHECK(std::abs(got[0].item<float>() - 1.f) < 1e-5f);
  CHECK(std::abs(got[1].item<float>() - 1.f) < 1e-5f);
}

TEST_CASE("averages weigh along an axis or element by element", "[conformance]") {
  const Expr x = matrix<double>("x"), w = vector<double>("w"), u = matrix<double>("u");
  const auto got =
      function({x, w, u}, {average(x, w, {1}), average(x, u), average(x, w, {1}, true)})(
          {Array::from<double>({1, 2, 3, 4}, {2, 2}), Array::from<double>({1, 3}, {2}),
           Array::from<double>({1, 0, 0, 1}, {2, 2})});
  CHECK(equal(got[0], Array::from<double>({1.75, 3.75}, {2})));
  CHECK(equal(got[1], Array::scalar<double>(2.5)));
  CHECK(got[2].shape() == Shape{2, 1});
  CHECK_THROWS_AS(average(x, w), ShapeError);
  CHECK_THROWS_AS(average(w, x), ShapeError);
}

TEST_CASE("gradients of products are right where elements are zero, twice", "[conformance]") {
  // x[:, 0] * x[:, 1] * x[:, 2] has the same derivatives, by the rules of products of two.
  const Expr x = tensor<double>({5, 3}, "x");
  const Expr direct = column(x, 0) * column(x, 1) * column(x, 2);
  std::vector<Expr> outputs;
  for (const Expr& p : {prod(x, {1}), direct}) {
    const Expr first = grad(sum(p * p + p), x);
    outputs.push_back(first);
    outputs.push_back(grad(sum(first * first + first * arange(3)), x));
    outputs.push_back(grad(sum(p), x));
    outputs.push_back(grad(sum(grad(sum(p), x) * arange(3)), x));
  }
  const auto got = function({x}, outputs)(
      {Array::from<double>({2, 3, -4, 0, 3, 5, 0, 0, 7, 0, 0, 0, -1.5, 0, 2}, {5, 3})});
  for (std::size_t i = 0; i < 4; ++i)
    for (std::int64_t j = 0; j < 15; ++j) {
      INFO("output " << i << ", element " << j);
      CHECK(is_near(got[i].data<double>()[j], got[4 + i].data<double>()[j], 1e-12));
    }
}

TEST_CASE("gradients of statistics", "[conformance]") {
  Rng rng(9);
  const Array at = moderate(DType::f64, {3, 4}, rng);
  CHECK_NOTHROW(verify_grad(
      [](const std::vector<Expr>& v) {
        return sum(var(v[0], {1}) * stddev(v[0], {1}, false, 1)) + norm(v[0]) +
               sum(norm(v[0], 3, {0})) + norm(v[0], 1) + sum(ptp(v[0], {1})) + prod(v[0]) +
               sum(nanmean(v[0], {0}) * nanvar(v[0], {0}));
      },
      {at}));
}

} // namespace kroton::test
