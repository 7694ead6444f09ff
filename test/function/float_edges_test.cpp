/// Floats at the edges: quotients too large for their digits, infinities, zeros' signs, the ends of
/// random intervals.
#include <kroton/core.hpp>
#include <kroton/ops/arithmetic.hpp>

#include <cmath>
#include <cstring>
#include <limits>

#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"

namespace kt = kroton;
using kt::Array;
using kt::DType;
using kt::Expr;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr const char* targets[] = {"x86-64-v2", "x86-64-v3", ""};

bool is_same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

/// Python's float.__mod__ and float.__floordiv__ (Objects/floatobject.c).
double python_mod(double a, double b) {
  if (b == 0) return not_a_number;
  const double r = std::fmod(a, b);
  if (r == 0) return std::copysign(0.0, b);
  return (r < 0) != (b < 0) ? r + b : r;
}
double python_floor_div(double a, double b) {
  if (b == 0) return a / b; // NumPy's
  const double r = std::fmod(a, b);
  double q = (a - r) / b;
  if (r != 0 && (r < 0) != (b < 0)) q -= 1;
  if (q == 0) return std::copysign(0.0, a / b);
  const double whole = std::floor(q);
  return q - whole > 0.5 ? whole + 1 : whole;
}

/// Both results for all pairs, compiled for `target`.
template <class T>
std::vector<Array> divided(const std::vector<T>& a, const std::vector<T>& b, const char* target) {
  const Expr x = kt::vector<T>("x"), y = kt::vector<T>("y");
  const kt::Function f =
      kt::function({x, y}, {kt::floor_div(x, y), kt::mod(x, y)}, {.target = target});
  return f({Array::from(a), Array::from(b)});
}

template <class T> void check_division(const std::vector<T>& a, const std::vector<T>& b) {
  for (const char* target : targets) {
    const auto got = divided(a, b, target);
    int wrong = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const T quotient = got[0].template data<T>()[i], rest = got[1].template data<T>()[i];
      const T wanted = static_cast<T>(python_floor_div(a[i], b[i])),
              left = static_cast<T>(python_mod(a[i], b[i]));
      if ((is_same(quotient, wanted) && is_same(rest, left)) || ++wrong > 5) continue;
      INFO(target << ": " << a[i] << " by " << b[i] << ": " << quotient << " rest " << rest
                  << ", Python has " << wanted << " rest " << left);
      CHECK(false);
    }
    CHECK(wrong == 0);
  }
}

template <class T> void check_all_divisions() {
  using Limits = std::numeric_limits<T>;
  const T special[] = {0,
                       T(-0.0),
                       1,
                       -1,
                       3,
                       T(-0.1),
                       T(1e17),
                       T(-1e17),
                       T(4503599627370497.0),
                       T(8388609),
                       Limits::max(),
                       Limits::lowest(),
                       Limits::min(),
                       Limits::denorm_min(),
                       -Limits::denorm_min(),
                       Limits::infinity(),
                       -Limits::infinity(),
                       Limits::quiet_NaN()};
  std::vector<T> a, b;
  for (const T x : special)
    for (const T y : special) {
      a.push_back(x);
      b.push_back(y);
    }
  kt::test::Rng rng(3);
  for (int i = 0; i < 30'000; ++i) {
    const int quotient = static_cast<int>(rng.below(i % 5 == 0 ? 200 : 70)) - 10;
    const T divisor = static_cast<T>(rng.uniform(1, 2) * (i % 2 == 0 ? 1 : -1));
    T value = static_cast<T>(std::ldexp(rng.uniform(-2, 2), quotient));
    if (i % 7 == 0) value = static_cast<T>(std::round(value)) * divisor; // next to whole quotients
    a.push_back(value);
    b.push_back(divisor);
  }
  check_division(a, b);
}

} // namespace

TEST_CASE("floor division and remainder of floats are Python's, whatever the quotient",
          "[function][edges]") {
  CHECK(python_floor_div(1e17, 3) == 33333333333333332.0);
  CHECK(python_mod(1e17, 3) == 1);
  CHECK(python_mod(1e300, 7) == 1);
  CHECK(python_floor_div(1e16, 0.1) == 1e17);
  CHECK(python_mod(1e16, 0.1) == 0.04488848768742176);
  // One above the exact quotient rounded down.
  CHECK(python_floor_div(0x1.19e1d5eb91664p+53, 0x1.8a0a8c9c092a9p+0) == 0x1.6e43f30367786p+52);
  CHECK(std::isnan(python_floor_div(infinity, 1)));
  check_all_divisions<double>();
  check_all_divisions<float>();
  check_division<double>({0x1.19e1d5eb91664p+53, infinity, -7.5},
                         {0x1.8a0a8c9c092a9p+0, 1, infinity});
}

TEST_CASE("a uniform number is below the upper end of its interval",
          "[function][edges][random][host]") {
  const std::pair<double, double> intervals[] = {{1000, 1001},   {0, 10},      {-1, 1}, {0.1, 0.2},
                                                 {-5, -1.0 / 3}, {1e30, 3e30}, {7, 7}};
  for (const DType dtype : {DType::f32, DType::f64})
    for (const auto& [low, high] : intervals) {
      kt::Random rng(1);
      const Expr u = rng.uniform({1 << 22}, dtype, low, high);
      const auto found = kt::function({}, {kt::min(u), kt::max(u)})({});
      const double least = found[0].astype(DType::f64).item<double>(),
                   most = found[1].astype(DType::f64).item<double>();
      INFO("[" << low << ", " << high << ") in " << kt::to_string(dtype));
      const bool is_f32 = dtype == DType::f32;
      const double first = is_f32 ? static_cast<float>(low) : low,
                   end = is_f32 ? static_cast<float>(high) : high;
      CHECK(least >= first);
      CHECK((most < end || first == end));
      CHECK(most >= end - (end - first) * 1e-4);
    }
}

TEST_CASE("normal numbers of f32 reach as far as a normal distribution does",
          "[function][edges][random][host]") {
  // 24 random bits end at 5.77 standard deviations; this stream goes further within 2^24 numbers.
  kt::Random rng(26);
  const Expr z = rng.normal({1 << 24});
  const auto found = kt::function({}, {kt::max(z), kt::mean(z), kt::mean(z * z),
                                       kt::sum(kt::cast(kt::abs(z) > 4.0f, DType::f32))})({});
  CHECK(found[0].item<float>() > 6);
  CHECK(found[0].item<float>() < 6.7f);
  CHECK(found[1].item<float>() == Approx(0).margin(1e-3));
  CHECK(found[2].item<float>() == Approx(1).margin(2e-3));
  CHECK(found[3].item<float>() == Approx(0x1p24 * 6.334e-5).epsilon(0.1));
}

TEST_CASE("NaN has one spelling", "[function][edges]") {
  CHECK(Array::from({-std::numeric_limits<float>::quiet_NaN(), 1.0f}).to_string() == "[nan,   1]");
  CHECK(Array::scalar(std::copysign(not_a_number, -1.0)).to_string() == "nan");
}
