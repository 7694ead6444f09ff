/// Elementary functions where the walkers cannot judge: composed functions against C's, results
/// that are to be exact, gradients at the ends of domains, and integers.
#include <kroton/core.hpp>
#include <kroton/grad.hpp>
#include <kroton/ops/bits.hpp>
#include <kroton/ops/powers.hpp>
#include <kroton/ops/reduction.hpp>
#include <kroton/ops/rounding.hpp>
#include <kroton/ops/trigonometric.hpp>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

template <class T> Array array_of(const std::vector<T>& values) {
  Array a = Array::zeros<T>({static_cast<std::int64_t>(values.size())});
  std::copy(values.begin(), values.end(), a.data<T>());
  return a;
}

/// Zeros, ties, ends of ranges, infinities and NaN, with both signs.
template <class T> std::vector<T> edges() {
  using limits = std::numeric_limits<T>;
  std::vector<T> v;
  for (T x : {T(0), T(0.5), T(1), T(1.5), T(2.5), T(3), T(1e6), limits::denorm_min(), limits::min(),
              limits::max(), limits::infinity(), limits::quiet_NaN()})
    v.insert(v.end(), {x, -x});
  return v;
}

template <class T> bool same(T a, T b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

/// One function of x and y, and what it is to be for numbers.
template <class T> struct Function2 {
  const char* name;
  Expr expr;
  T (*want)(T x, T y);
};

template <class T> std::vector<T> powers_of_two() {
  std::vector<T> v;
  for (int e = std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits;
       e < std::numeric_limits<T>::max_exponent; ++e)
    v.push_back(std::ldexp(T(1), e));
  return v;
}

} // namespace

TEMPLATE_TEST_CASE("composed functions of floats are C's for zeros, ties, infinities and NaN",
                   "[conformance][anywhere][functions]", float, double) {
  using T = TestType;
  const Expr x = vector<T>("x"), y = tensor<T>({x.dim(0)}, "y");
  const Function2<T> all[] = {
      {"ceil", ceil(x), [](T a, T) { return std::ceil(a); }},
      {"round", round(x), [](T a, T) { return std::nearbyint(a); }},
      {"trunc", trunc(x), [](T a, T) { return std::trunc(a); }},
      {"copysign", copysign(x, y), [](T a, T b) { return std::copysign(a, b); }},
      {"fmod", fmod(x, y), [](T a, T b) { return std::fmod(a, b); }},
      {"square", square(x), [](T a, T) { return T(a * a); }},
      {"reciprocal", reciprocal(x), [](T a, T) { return T(1 / a); }},
      {"rsqrt", rsqrt(x), [](T a, T) { return T(1 / std::sqrt(a)); }},
      {"clip", clip(x, -1, 2.5),
       [](T a, T) { return std::isnan(a) ? a : std::min(std::max(a, T(-1)), T(2.5)); }},
      {"isnan", cast<T>(isnan(x)), [](T a, T) { return T(std::isnan(a)); }},
      {"isinf", cast<T>(isinf(x)), [](T a, T) { return T(std::isinf(a)); }},
      {"isfinite", cast<T>(isfinite(x)), [](T a, T) { return T(std::isfinite(a)); }},
      {"signbit", cast<T>(signbit(x)), [](T a, T) { return T(std::signbit(a)); }},
      {"deg2rad", deg2rad(x), [](T a, T) { return T(a * T(0.017453292519943295)); }},
      {"rad2deg", rad2deg(x), [](T a, T) { return T(a * T(57.295779513082323)); }},
  };
  std::vector<Expr> outputs;
  for (const auto& f : all) outputs.push_back(f.expr);
  std::vector<T> xs, ys;
  for (T a : edges<T>())
    for (T b : edges<T>()) {
      xs.push_back(a);
      ys.push_back(b);
    }
  const std::vector<Array> got = function({x, y}, outputs)({array_of(xs), array_of(ys)});
  for (std::size_t k = 0; k < std::size(all); ++k)
    for (std::size_t i = 0; i < xs.size(); ++i) {
      const T is = got[k].template data<T>()[i], want = all[k].want(xs[i], ys[i]);
      if (!same(is, want))
        FAIL_CHECK(fmt::format("{}({}, {}) is {}, not {}", all[k].name, xs[i], ys[i], is, want));
    }
}

TEMPLATE_TEST_CASE("functions are exact where their values are numbers",
                   "[conformance][anywhere][functions]", float, double) {
  using T = TestType;
  const Expr x = vector<T>("x");
  const Function f = function({x}, {log2(x), exp2(log2(x)), cbrt(x * x * x)});
  const std::vector<T> powers = powers_of_two<T>();
  const std::vector<Array> of_powers = f({array_of(powers)});
  for (std::size_t i = 0; i < powers.size(); ++i) {
    int e = 0;
    std::frexp(powers[i], &e);
    CHECK(of_powers[0].template data<T>()[i] == T(e - 1));
    CHECK(of_powers[1].template data<T>()[i] == powers[i]);
  }
  std::vector<T> tens = {1}, wholes;
  while (tens.back() < (sizeof(T) == 4 ? T(1e10) : T(1e22))) tens.push_back(tens.back() * 10);
  for (int i = 1; i < 60; ++i) wholes.push_back(T(i));
  const Array logs = function({x}, {log10(x)})({array_of(tens)})[0];
  for (std::size_t i = 0; i < tens.size(); ++i) CHECK(logs.template data<T>()[i] == T(i));
  const Array roots = f({array_of(wholes)})[2];
  for (std::size_t i = 0; i < wholes.size(); ++i) CHECK(roots.template data<T>()[i] == wholes[i]);
  const std::vector<Array> at_zero = function({x}, {cos(x), cosh(x), acos(x + 1), sin(x), tan(x),
                                                    asinh(x)})({array_of(std::vector<T>{T(-0.0)})});
  CHECK(at_zero[0].template data<T>()[0] == 1);
  CHECK(at_zero[1].template data<T>()[0] == 1);
  CHECK(at_zero[2].template data<T>()[0] == 0);
  for (std::size_t k = 3; k < 6; ++k) CHECK(same(at_zero[k].template data<T>()[0], T(-0.0)));
}

TEST_CASE("angles of any size are reduced exactly", "[conformance][anywhere][functions]") {
  // Kahan's f64 that is nearest to a multiple of pi/2 among them; in one vector with angles that
  // need no care.
  const std::vector<double> angles = {6381956970095103.0 * std::ldexp(1.0, 797),
                                      1e22,
                                      0x1p1023,
                                      1.0,
                                      1e5,
                                      0x1p41,
                                      -0x1p52,
                                      3e300,
                                      -0.5};
  const std::vector<float> small = {3e38F, 1e10F, 65536.0F, 65535.9F, -123456.0F, 1.0F};
  const Expr x = vector<double>("x"), s = vector<float>("s");
  const std::vector<Array> got = function({x, s}, {sin(x), cos(x), tan(x), sin(s), cos(s), tan(s)})(
      {array_of(angles), array_of(small)});
  const auto is_near = [&](std::size_t k, std::size_t i, auto type, long double want, double ulps) {
    using T = decltype(type);
    const double error = std::fabs(double(got[k].data<T>()[i] - want) / double(want));
    INFO(k << " of " << (sizeof(T) == 4 ? double(small[i]) : angles[i]));
    CHECK(error <= ulps * double(std::numeric_limits<T>::epsilon()));
  };
  for (std::size_t i = 0; i < angles.size(); ++i) {
    const long double a = angles[i];
    is_near(0, i, 0.0, std::sin(a), 2.25);
    is_near(1, i, 0.0, std::cos(a), 2.25);
    is_near(2, i, 0.0, std::tan(a), 3.5);
  }
  for (std::size_t i = 0; i < small.size(); ++i) {
    const long double a = small[i];
    is_near(3, i, 0.0F, std::sin(a), 1.75);
    is_near(4, i, 0.0F, std::cos(a), 1.75);
    is_near(5, i, 0.0F, std::tan(a), 3.25);
  }
}

TEST_CASE("gradients at the ends of domains are what the derivatives are there",
          "[conformance][anywhere][functions]") {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const Expr x = scalar<double>("x"), y = scalar<double>("y");
  const auto at = [&](const Expr& e, double px, double py) {
    const std::vector<Expr> g = grad(e, {x, y});
    const std::vector<Array> r = function({x, y}, g)({Array::scalar(px), Array::scalar(py)});
    return std::pair(r[0].item<double>(), r[1].item<double>());
  };
  CHECK(at(hypot(x, y), 0, 0) == std::pair(0.0, 0.0));
  CHECK(at(hypot(x, y), 3e300, 4e300) == std::pair(0.6, 0.8));
  CHECK(at(atan2(y, x), 2, 0) == std::pair(-0.0, 0.5));
  CHECK(at(atan2(y, x), 0, 2) == std::pair(-0.5, 0.0));
  CHECK(at(asin(x) + y, 1, 0).first == inf);
  CHECK(at(acos(x) + y, -1, 0).first == -inf);
  CHECK(at(cbrt(x) + y, 0, 0).first == inf);
  CHECK(at(acosh(x) + y, 1, 0).first == inf);
  CHECK(at(acosh(x) + asinh(y), 1e200, 1e200) == std::pair(1e-200, 1e-200));
  CHECK(at(clip(x, -1, 1) + y, 3, 0).first == 0);
  CHECK(at(clip(x, -1, 1) + y, 1, 0).first == 0.5);
  CHECK(at(copysign(x, y) + 0 * y, 2, -1) == std::pair(-1.0, 0.0));
  CHECK(at(fmod(x, y), 7.5, 2) == std::pair(1.0, -3.0));
  CHECK(at(remainder(x, y), -7.5, 2) == std::pair(1.0, 4.0));
}

TEST_CASE("bits and remainders of integers are C's, beyond the width too",
          "[conformance][anywhere][functions]") {
  const Expr x = vector<std::int8_t>("x"), n = tensor<std::int8_t>({x.dim(0)}, "n");
  std::vector<std::int8_t> xs, ns;
  for (int a : {-128, -100, -1, 0, 1, 77, 127})
    for (int b : {-128, -3, -1, 0, 1, 3, 7, 8, 100}) {
      xs.push_back(static_cast<std::int8_t>(a));
      ns.push_back(static_cast<std::int8_t>(b));
    }
  const Function f =
      function({x, n}, {shift_left(x, n), shift_right(x, n), popcount(x), x & n, x | n, x ^ n, ~x,
                        fmod(x, n), remainder(x, n), cast<std::int8_t>(isfinite(x)),
                        cast<std::int8_t>(signbit(x))});
  const std::vector<Array> got = f({array_of(xs), array_of(ns)});
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const int a = xs[i], b = ns[i];
    const bool out = b < 0 || b >= 8;
    const auto is = [&](std::size_t k) { return int(got[k].data<std::int8_t>()[i]); };
    CAPTURE(a, b);
    CHECK(is(0) == (out ? 0 : int(static_cast<std::int8_t>(a << b))));
    CHECK(is(1) == (out ? (a < 0 ? -1 : 0) : a >> b));
    CHECK(int(got[2].data<std::uint8_t>()[i]) == std::popcount(static_cast<unsigned>(std::abs(a))));
    CHECK(is(3) == (a & b));
    CHECK(is(4) == (a | b));
    CHECK(is(5) == (a ^ b));
    CHECK(is(6) == ~a);
    CHECK(is(7) == (b == 0 ? 0 : int(static_cast<std::int8_t>(a % b))));
    CHECK(is(8) == (b == 0 ? 0 : ((a % b) + b) % b));
    CHECK(is(9) == 1);
    CHECK(is(10) == (a < 0));
  }
  CHECK(popcount(x).dtype() == DType::u8);
  CHECK(shift_left(cast<bool>(x), 1).dtype() == DType::i8);
  CHECK((cast<bool>(x) ^ cast<bool>(n)).dtype() == DType::bool_);
  CHECK_THROWS_AS(vector<float>("v") & 1, TypeError);
  CHECK_THROWS_AS(~vector<float>("v"), TypeError);
}

} // namespace kroton::test
