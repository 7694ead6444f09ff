/// Random numbers of every distribution against its cumulative function or its probabilities.
///
/// With 40,000 numbers the Kolmogorov-Smirnov test at a level of 1e-4 refuses a distribution whose
/// cumulative function is off by 0.017 somewhere, with more than 99 % probability: seeds are fixed,
/// so a right sampler always passes. Chi-squared tests are at the same level; cells of fewer than 8
/// expected numbers are put together.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include <kroton/core.hpp>
#include <kroton/ops/indexing.hpp>
#include <kroton/ops/reduction.hpp>
#include <kroton/random.hpp>

#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

constexpr std::int64_t n = 40'000;

std::vector<double> drawn(const Expr& e) {
  return function({}, e)({})[0].astype(DType::f64).to_vector<double>();
}

/// The largest distance of the numbers' share below x from cdf(x), at every 16th of them.
double distance(std::vector<double> x, const std::function<double(double)>& cdf) {
  std::ranges::sort(x);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); i += 16) {
    const double f = cdf(x[i]), size = static_cast<double>(x.size());
    worst = std::max({worst, std::fabs(f - static_cast<double>(i) / size),
                      std::fabs(f - static_cast<double>(i + 1) / size)});
  }
  return worst;
}

void check_continuous(const Expr& e, const std::function<double(double)>& cdf) {
  // 2.23 / sqrt(n): 1e-4 of samples are further off.
  CHECK(distance(drawn(e), cdf) < 2.23 / std::sqrt(static_cast<double>(n)));
}

/// Whether the sum of (observed - expected)^2 / expected is what chance makes of it.
void check_cells(const std::vector<double>& observed, const std::vector<double>& expected) {
  double sum = 0, o = 0, e = 0;
  int cells = -1;
  for (std::size_t k = 0; k < expected.size(); ++k) {
    o += observed[k];
    e += expected[k];
    if (e < 8 && k + 1 < expected.size()) continue;
    sum += (o - e) * (o - e) / std::max(e, 1.0);
    ++cells;
    o = e = 0;
  }
  // Wilson and Hilferty's approximation of the quantile of 1 - 1e-4, 3.72 standard deviations.
  const double d = std::max(cells, 1), h = 2 / (9 * d);
  CHECK(sum < d * std::pow(1 - h + 3.72 * std::sqrt(h), 3));
}

/// pmf(k) for k = first, first + 1, … up to where next to nothing is left.
void check_discrete(const Expr& e, int first, const std::function<double(int)>& pmf) {
  CHECK(e.dtype() == DType::i64);
  std::vector<double> expected;
  double so_far = 0;
  for (int k = first; so_far < 1 - 1e-7 && k < first + 100'000; ++k) {
    expected.push_back(static_cast<double>(n) * pmf(k));
    so_far += pmf(k);
  }
  std::vector<double> observed(expected.size());
  for (double v : drawn(e)) {
    REQUIRE(v >= first);
    observed[std::min(static_cast<std::size_t>(v) - static_cast<std::size_t>(first),
                      expected.size() - 1)] += 1;
  }
  check_cells(observed, expected);
}

/// The integral of a density, by Simpson's rule over a variable that is 0 and 1 at its ends.
double integral(const std::function<double(double)>& f, double to) {
  const int parts = 400;
  double sum = 0;
  for (int i = 0; i <= parts; ++i)
    sum += f(to * i / parts) * (i == 0 || i == parts ? 1 : i % 2 == 1 ? 4 : 2);
  return sum * to / (3 * parts);
}

double gamma_cdf(double a, double x) {
  // The series of the lower incomplete gamma function: Abramowitz and Stegun 6.5.29.
  if (x > a + 30 + 12 * std::sqrt(a)) return 1;
  double term = 1 / a, sum = term;
  for (int k = 1; k < 4000 && term > sum * 1e-14; ++k) sum += term *= x / (a + k);
  return sum * std::exp(a * std::log(x) - x - std::lgamma(a));
}

double beta_cdf(double a, double b, double x) {
  if (x > a / (a + b)) return 1 - beta_cdf(b, a, 1 - x);
  // x^a t^(a - 1): as an integral over s = t^a, which has no pole.
  const double at = std::pow(x, a);
  return integral([&](double s) { return std::pow(1 - std::pow(s, 1 / a), b - 1) / a; }, at) /
         std::exp(std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b));
}

double binomial_pmf(int k, int trials, double p) {
  if (k > trials) return 0;
  return std::exp(std::lgamma(trials + 1) - std::lgamma(k + 1) - std::lgamma(trials - k + 1) +
                  k * std::log(p) + (trials - k) * std::log1p(-p));
}

} // namespace

TEST_CASE("distributions with a density", "[function][random]") {
  for (const DType t : {DType::f32, DType::f64}) {
    INFO(to_string(t));
    Random rng(17);
    CHECK(rng.cauchy({3}, t).dtype() == t);
    check_continuous(rng.exponential(2.5, {n}, t), [](double x) { return -std::expm1(-x / 2.5); });
    check_continuous(rng.laplace({n}, t),
                     [](double x) { return x < 0 ? std::exp(x) / 2 : 1 - std::exp(-x) / 2; });
    check_continuous(rng.cauchy({n}, t),
                     [](double x) { return 0.5 + std::atan(x) / 3.14159265358979; });
    // Degrees 1, 2: closed forms.
    check_continuous(rng.student_t(1, {n}, t),
                     [](double x) { return 0.5 + std::atan(x) / 3.14159265358979; });
    check_continuous(rng.student_t(2, {n}, t),
                     [](double x) { return 0.5 + x / (2 * std::sqrt(2 + x * x)); });
    for (const double a : {0.05, 0.5, 1.0, 2.5, 40.0}) {
      INFO("gamma " << a);
      check_continuous(rng.gamma(a, {n}, t), [&](double x) { return gamma_cdf(a, x); });
    }
    for (const auto& [a, b] : {std::pair{0.5, 0.5}, {2.0, 3.0}, {1.0, 5.0}}) {
      INFO("beta " << a << ' ' << b);
      check_continuous(rng.beta(a, b, {n}, t),
                       [&, a = a, b = b](double x) { return beta_cdf(a, b, x); });
    }
  }
}

TEST_CASE("distributions of whole numbers", "[function][random]") {
  Random rng(23);
  for (const double p : {0.02, 0.3, 1.0}) {
    INFO("geometric " << p);
    check_discrete(rng.geometric(p, {n}), 1, [&](int k) { return p * std::pow(1 - p, k - 1); });
  }
  for (const double rate : {0.0, 0.3, 4.0, 9.99, 10.0, 200.0, 5000.0}) {
    INFO("poisson " << rate);
    check_discrete(rng.poisson(rate, {n}), 0, [&](int k) {
      return rate == 0 ? (k == 0 ? 1.0 : 0.0)
                       : std::exp(k * std::log(rate) - rate - std::lgamma(k + 1));
    });
  }
  for (const auto& [trials, p] : {std::pair{1, 0.5},
                                  {10, 0.3},
                                  {10, 0.9},
                                  {30, 0.5},
                                  {1000, 0.004},
                                  {1000, 0.4},
                                  {500, 0.97}}) {
    INFO("binomial " << trials << ' ' << p);
    check_discrete(rng.binomial(trials, p, {n}), 0,
                   [&, trials = trials, p = p](int k) { return binomial_pmf(k, trials, p); });
  }
  check_discrete(rng.integers(-3, 4, {n}) + 3, 0, [](int k) { return k < 7 ? 1.0 / 7 : 0; });
}

TEST_CASE("numbers at the ends of what parameters allow", "[function][random]") {
  Random rng(5);
  CHECK(drawn(rng.binomial(7, 0.0, {4})) == std::vector<double>{0, 0, 0, 0});
  CHECK(drawn(rng.binomial(7, 1.0, {4})) == std::vector<double>{7, 7, 7, 7});
  CHECK(drawn(rng.binomial(0, 0.4, {2})) == std::vector<double>{0, 0});
  CHECK(drawn(rng.poisson(1e15, {1}))[0] > 9.9e14);
  for (double v : drawn(rng.beta(1e-3, 1e-3, {2000}, DType::f64))) CHECK((v >= 0 && v <= 1));
  for (double v : drawn(rng.gamma(1e-3, {2000}, DType::f64))) CHECK(v >= 0);
  CHECK(drawn(rng.exponential(1.0, {0})).empty());
  CHECK(drawn(rng.binomial(1e12, 0.25, {1}))[0] > 2.4e11);
}

TEST_CASE("categories, simplexes and vectors", "[function][random]") {
  Random rng(31);
  const std::vector<double> weights{1, 0, 3, 2, 4};
  const Expr w = constant(Array::from(weights));
  check_discrete(rng.categorical(w, {n}), 0,
                 [&](int k) { return k < 5 ? weights[static_cast<std::size_t>(k)] / 10 : 0; });

  const auto counts = drawn(rng.multinomial(100, w, {n / 10}));
  std::vector<double> sums(5), ones;
  for (std::size_t row = 0; row < counts.size() / 5; ++row) {
    double all = 0;
    for (std::size_t k = 0; k < 5; ++k) {
      sums[k] += counts[row * 5 + k];
      all += counts[row * 5 + k];
    }
    REQUIRE(all == 100);
    REQUIRE(counts[row * 5 + 1] == 0);
    ones.push_back(counts[row * 5 + 2]);
  }
  check_cells(sums, {40'000, 0, 120'000, 80'000, 160'000});
  // Each category alone is binomial.
  double mean = 0, square = 0;
  for (double v : ones) {
    mean += v / static_cast<double>(ones.size());
    square += v * v / static_cast<double>(ones.size());
  }
  CHECK(std::fabs(mean - 30) < 4 * std::sqrt(21.0 / 4000));
  CHECK(std::fabs(square - mean * mean - 21) < 4 * 21 * std::sqrt(2.0 / 4000));

  const auto points =
      drawn(rng.dirichlet(constant(Array::from<double>({0.5, 2, 1})), {n}, DType::f64));
  std::vector<double> second;
  for (std::size_t row = 0; row < points.size() / 3; ++row) {
    REQUIRE(std::fabs(points[3 * row] + points[3 * row + 1] + points[3 * row + 2] - 1) < 1e-12);
    second.push_back(points[3 * row + 1]);
  }
  CHECK(distance(second, [](double x) { return beta_cdf(2, 1.5, x); }) < 2.23 / 200);

  const Expr covariance = constant(Array::from<double>({2, 0.6, 0.6, 0.5}, {2, 2}));
  const auto v =
      drawn(rng.multivariate_normal(constant(Array::from<double>({1, -2})), covariance, {n}));
  std::vector<double> along; // (x - 1) + 2 (y + 2) is normal with variance 2 + 4 * 0.6 + 4 * 0.5
  for (std::size_t row = 0; row < v.size() / 2; ++row)
    along.push_back((v[2 * row] - 1) + 2 * (v[2 * row + 1] + 2));
  CHECK(distance(along, [](double x) { return std::erfc(-x / std::sqrt(2 * 6.4)) / 2; }) <
        2.23 / 200);
}

TEST_CASE("parameters that differ by element, and wrong ones", "[function][random]") {
  Random rng(3);
  const Expr rate = vector<double>("rate");
  const Function f = function({rate}, rng.poisson(rate, {rate.dim(0)}));
  const auto r = f(Array::from<double>({0, 1e6, 4e12}))[0].to_vector<std::int64_t>();
  CHECK(r[0] == 0);
  CHECK(std::fabs(static_cast<double>(r[1]) - 1e6) < 6e3);
  CHECK(std::fabs(static_cast<double>(r[2]) - 4e12) < 12e6);
  const auto message = [&](auto call) -> std::string {
    try {
      call();
    } catch (const Error& e) {
      return e.what();
    }
    return "nothing was thrown";
  };
  const std::string text = message([&] { f(Array::from<double>({1, 2, -1.5, 3, -2})); });
  INFO(text);
  CHECK_THAT(text, contains("poisson: the rate is -1.5 for element 2"));
  CHECK_THAT(text, contains("distributions_test.cpp"));
  CHECK_THAT(message([&] { drawn(rng.gamma(0.0, {3})); }), contains("the concentration is 0"));
  CHECK_THAT(message([&] { drawn(rng.binomial(2.5, 0.5, {3})); }), contains("trials is 2.5"));
  CHECK_THAT(message([&] { drawn(rng.binomial(2, 1.5, {3})); }), contains("probability is 1.5"));
  const Expr w = constant(Array::from<double>({1, -1}));
  CHECK_THAT(message([&] { drawn(rng.multinomial(2, w, {3})); }), contains("a weight is -1"));
  CHECK_THAT(message([&] { rng.integers(0, 2.5, {3}); }),
             contains("the ends must be integers, got 2.5"));
  CHECK_THAT(message([&] { rng.categorical(2.0, {3}); }), contains("along the last axis"));
}

TEST_CASE("streams are the same again, and split ones have nothing in common",
          "[function][random]") {
  const auto first = [](Random rng) { return drawn(rng.gamma(2, {100}, DType::f64)); };
  CHECK(first(Random(9)) == first(Random(9)));
  CHECK(first(Random(9).split(1)) == first(Random(9).split(1)));
  CHECK(first(Random(9).split(1)) != first(Random(9).split(2)));
  CHECK(first(Random(9).split(1)) != first(Random(10).split(1)));
  CHECK(first(Random(9).split(0)) != first(Random(9)));
  // Split streams are not correlated with their source.
  Random source(9), part = source.split(4);
  const auto a = drawn(source.normal({n}, DType::f64)), b = drawn(part.normal({n}, DType::f64));
  double product = 0;
  for (std::size_t i = 0; i < a.size(); ++i) product += a[i] * b[i];
  CHECK(std::fabs(product) < 4 * std::sqrt(static_cast<double>(n)));
}

} // namespace kroton::test
