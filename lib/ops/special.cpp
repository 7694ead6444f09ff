/// Special functions, and logarithms of what would cancel or overflow; floating dtypes only.
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include <kroton/ops/activation.hpp>
#include <kroton/ops/special.hpp>
#include <kroton/ops/transcendental.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/special.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Dtypes;
using ir::GradContext;
using ir::Kind;
using ir::Property;

using Grads = std::vector<Expr>;

constexpr double infinity = std::numeric_limits<double>::infinity();

constexpr auto logit_float = []<class T>(const T* v) -> T {
  const T x = v[0];
  return std::fabs(x - T(0.5)) < T(0.25) ? 2 * std::atanh(2 * x - 1) : std::log(x / (1 - x));
};
constexpr auto log1mexp_float = []<class T>(const T* v) -> T {
  const T x = v[0];
  return x > T(-0.5) ? std::log(-std::expm1(x)) : std::log1p(-std::exp(x));
};

/// sin(pi x): the reduction modulo 2 is exact.
template <class T> T sine_of_pi(T x) {
  const T r = std::remainder(x, T(2));
  return std::fabs(r) <= T(0.5)
             ? std::sin(std::numbers::pi_v<T> * r)
             : std::copysign(std::sin(std::numbers::pi_v<T> * (1 - std::fabs(r))), r);
}

/// B(2), B(4), …
constexpr long double bernoulli[] = {1.0L / 6,         -1.0L / 30,      1.0L / 42,
                                     -1.0L / 30,       5.0L / 66,       -691.0L / 2730,
                                     7.0L / 6,         -3617.0L / 510,  43867.0L / 798,
                                     -174611.0L / 330, 854513.0L / 138, -236364091.0L / 2730};

constexpr auto digamma_float = []<class T>(const T* v) -> T {
  T x = v[0], y = 0;
  if (x == 0) return std::copysign(T(infinity), -x);
  if (x < 0) {
    const T sine = sine_of_pi(x);
    if (sine == 0 || std::isinf(x)) return std::numeric_limits<T>::quiet_NaN();
    y = -std::numbers::pi_v<T> * sine_of_pi(std::fabs(std::remainder(x, T(2))) + T(0.5)) / sine;
    x = 1 - x;
  }
  for (; x < 25; x += 1) y -= 1 / x;
  T power = 1 / (x * x), terms = 0;
  for (int k = 0; k < 12; ++k, power /= x * x) terms += T(bernoulli[k]) * power / (2 * k + 2);
  return y + (std::log(x) - 1 / (2 * x) - terms);
};
constexpr auto trigamma_float = []<class T>(const T* v) -> T {
  T x = v[0], y = 0;
  if (x < 0) {
    const T q = std::numbers::pi_v<T> / sine_of_pi(x);
    T above = 0;
    for (x = 1 - x; x < 25; x += 1) above += 1 / (x * x);
    y = q * q - above;
    T power = 1 / (x * x * x), terms = 1 / x + 1 / (2 * x * x);
    for (int k = 0; k < 12; ++k, power /= x * x) terms += T(bernoulli[k]) * power;
    return y - terms;
  }
  for (; x < 25; x += 1) y += 1 / x / x;
  T power = 1 / x / x / x, terms = 0;
  for (int k = 0; k < 12; ++k, power = power / x / x) terms += T(bernoulli[k]) * power;
  return y + ((1 / x + 1 / x / x / 2) + terms);
};

constexpr auto erfcx_float = []<class T>(const T* v) -> T {
  const T x = v[0];
  if (x > 10) {
    // The asymptotic series, whose smallest term is beyond all digits.
    T sum = 0, term = 1;
    for (int k = 1; k < 60 && sum + term != sum; ++k) {
      sum += term;
      term *= -(2 * k - 1) / x / x / 2;
    }
    return sum / x * (T(0.5) * std::numbers::inv_sqrtpi_v<T> * 2);
  }
  if (x < -30) return T(infinity);
  const T first = static_cast<float>(x);
  return std::exp(first * first) * std::exp((x - first) * (x + first)) * std::erfc(x);
};

/// The x >= 0 of erfc(x) = q for 0 < q <= 1: Winitzki's approximation, then Newton's steps on the
/// logarithm, or on erf where q is near 1 and given by 1 - q.
template <class T> T inverse_of_erfc(T q, T one_less) {
  const T a = T(0.147), two_over = 2 / (std::numbers::pi_v<T> * a);
  const T l = std::log(q) + std::log1p(one_less), half = two_over + l / 2;
  T x = std::sqrt(std::sqrt(half * half - l / a) - half);
  for (int k = 0; k < 5; ++k) {
    const T slope = 2 * std::numbers::inv_sqrtpi_v<T> * std::exp(-x * x);
    if (q > T(0.5)) {
      const T f = (std::erf(x) - one_less) / slope;
      x -= f / (1 + f * x);
    } else {
      const T e = std::erfc(x);
      x += std::log(e / q) * (e / slope);
    }
  }
  return x;
}
constexpr auto erfinv_float = []<class T>(const T* v) -> T {
  const T a = std::fabs(v[0]);
  if (a == 1) return std::copysign(T(infinity), v[0]);
  if (!(a < 1)) return std::numeric_limits<T>::quiet_NaN();
  if (a < T(1e-12)) return v[0] / 2 / std::numbers::inv_sqrtpi_v<T>; // the next term is beyond it
  return std::copysign(inverse_of_erfc(1 - a, a), v[0]);
};
constexpr auto erfcinv_float = []<class T>(const T* v) -> T {
  const T x = v[0];
  if (x == 0 || x == 2) return x == 0 ? T(infinity) : -T(infinity);
  if (!(x > 0 && x < 2)) return std::numeric_limits<T>::quiet_NaN();
  if (std::fabs(1 - x) < T(1e-12)) return (1 - x) / 2 / std::numbers::inv_sqrtpi_v<T>;
  return x < 1 ? inverse_of_erfc(x, 1 - x) : -inverse_of_erfc(2 - x, x - 1);
};

/// The derivative of erfcx, 2 (x erfcx(x) - 1/sqrt(pi)); from 10 on, where that cancels, by the
/// asymptotic series -1/(x^2 sqrt(pi)) (1 - 3 w + 15 w^2 - …) with w = 1 / (2 x^2).
Expr erfcx_slope(const Expr& x, const Expr& y) {
  const Expr inverse = 1.0 / x, w = 0.5 * (inverse * inverse);
  double odd = 1;
  std::vector<double> coefficients;
  for (int k = 0; k < 12; ++k, odd *= -(2.0 * k + 1)) coefficients.push_back(odd);
  Expr series = coefficients.back() * w + coefficients[coefficients.size() - 2];
  for (std::size_t k = coefficients.size() - 2; k-- > 0;) series = series * w + coefficients[k];
  return kroton::where(x > 10, -2 * std::numbers::inv_sqrtpi * w * series,
                       2.0 * (x * y) - 2 * std::numbers::inv_sqrtpi);
}

/// g a / b; 0 where a is 0, even if b is 0 too.
Expr quotient(const Expr& g, const Expr& a, const Expr& b) {
  return kroton::where(a != 0, g * (a / b), 0);
}

} // namespace

const Op xlogy{.name = "xlogy",
               .arity = 2,
               .kind = Kind::elementwise,
               .dtypes = Dtypes::floating,
               .cost = 12,
               .spelling = "xlogy_{t}({0}, {1})",
               .infer = infer_elementwise,
               .eval_float = []<class T>(const T* v) -> T {
                 return v[0] == 0 && !std::isnan(v[1]) ? T(0) : v[0] * std::log(v[1]);
               },
               .gradient =
                   [](const GradContext& c) {
                     return Grads{c.grad * kroton::log(c.inputs[1]),
                                  quotient(c.grad, c.inputs[0], c.inputs[1])};
                   },
               .domain = {{-4, 4}, {0.125, 8}},
               .accuracy = {.f32 = 2.5, .f64 = 2.5, .method = "the product with log(b)"},
               .doc = "a log(b), 0 where a is 0 and b a number"};
const Op xlog1py{.name = "xlog1py",
                 .arity = 2,
                 .kind = Kind::elementwise,
                 .dtypes = Dtypes::floating,
                 .cost = 14,
                 .spelling = "xlog1py_{t}({0}, {1})",
                 .infer = infer_elementwise,
                 .eval_float = []<class T>(const T* v) -> T {
                   return v[0] == 0 && !std::isnan(v[1]) ? T(0) : v[0] * std::log1p(v[1]);
                 },
                 .gradient =
                     [](const GradContext& c) {
                       return Grads{c.grad * kroton::log1p(c.inputs[1]),
                                    quotient(c.grad, c.inputs[0], c.inputs[1] + 1.0)};
                     },
                 .domain = {{-4, 4}, {-0.75, 8}},
                 .accuracy = {.f32 = 3.0, .f64 = 3.0, .method = "the product with log1p(b)"},
                 .doc = "a log(1 + b), 0 where a is 0 and b a number"};
const Op logit{
    .name = "logit",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 16,
    .spelling = "logit_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = logit_float,
    .gradient =
        [](const GradContext& c) { return Grads{c.grad / (c.inputs[0] * (1.0 - c.inputs[0]))}; },
    .domain = {{0.125, 0.875}},
    .accuracy = {.f32 = 3.0,
                 .f64 = 3.0,
                 .method = "log(x/(1 - x)); within 1/5 of 1/2 log1p((2x - 1)/(1 - x))"},
    .doc = "log(a / (1 - a)), accurate about 1/2; NaN outside [0, 1]"};
const Op log1mexp{
    .name = "log1mexp",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 34,
    .spelling = "log1mexp_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = log1mexp_float,
    .gradient = [](const GradContext& c) { return Grads{-(c.grad / kroton::expm1(-c.inputs[0]))}; },
    .domain = {{-8, -0.25}},
    .accuracy = {.f32 = 3.5, .f64 = 3.5, .method = "log(-expm1(x)) above -ln 2, else log1p(-e^x)"},
    .doc = "log(1 - e^a), accurate for all a <= 0; NaN above"};

const Op lgamma{
    .name = "lgamma",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 60,
    .spelling = "lgamma_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::lgamma(v[0]); },
    .gradient = [](const GradContext& c) { return Grads{c.grad * kroton::digamma(c.inputs[0])}; },
    .domain = {{0.25, 8}},
    .accuracy = {.f32 = 0.51,
                 .f64 = 4.0,
                 .method = "(y - 1)(y - 2) times a polynomial for y in [1, 3), to which "
                           "all below 8 is moved; Stirling's series from 8 on; below 0 by "
                           "reflection, where zeros have an absolute error; f32 in f64"},
    .doc = "log(abs(Γ(a))); inf at 0, negative integers and both infinities"};
const Op digamma{
    .name = "digamma",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 60,
    .spelling = "digamma_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = digamma_float,
    .gradient = [](const GradContext& c) { return Grads{c.grad * kroton::trigamma(c.inputs[0])}; },
    .domain = {{0.25, 8}},
    .accuracy = {.f32 = 0.51,
                 .f64 = 8.0,
                 .method = "the asymptotic series, to whose range all below 8 is moved by "
                           "8; below 0 by reflection; zeros have an absolute error; f32 "
                           "in f64"},
    .doc = "Γ'(a)/Γ(a); NaN at negative integers, -inf at 0, inf at -0"};
const Op trigamma{
    .name = "trigamma",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 60,
    .spelling = "trigamma_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = trigamma_float,
    .gradient =
        [](const GradContext& c) { return Grads{c.grad * kroton::polygamma(2, c.inputs[0])}; },
    .domain = {{0.25, 8}},
    .accuracy = {.f32 = 0.51, .f64 = 6.0, .method = "as digamma"},
    .doc = "the derivative of digamma; inf at 0 and negative integers"};
const Op erfcx{
    .name = "erfcx",
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 40,
    .spelling = "erfcx_{t}({0})",
    .infer = infer_elementwise,
    .eval_float = erfcx_float,
    .gradient =
        [](const GradContext& c) { return Grads{c.grad * erfcx_slope(c.inputs[0], c.output)}; },
    .domain = {{-3, 20}},
    .accuracy = {.f32 = 5.0,
                 .f64 = 5.0,
                 .method = "a polynomial of (x - 4)/(x + 4) over x + 4; below 0 2e^(x²) less "
                           "that of -x, x² in two parts"},
    .doc = "e^(a^2) erfc(a), without underflow"};
const Op erfinv{.name = "erfinv",
                .kind = Kind::elementwise,
                .properties = Property::increasing,
                .dtypes = Dtypes::floating,
                .cost = 50,
                .spelling = "erfinv_{t}({0})",
                .infer = infer_elementwise,
                .eval_float = erfinv_float,
                .gradient =
                    [](const GradContext& c) {
                      return Grads{c.grad * (0.5 / std::numbers::inv_sqrtpi) *
                                   kroton::exp(c.output * c.output)};
                    },
                .domain = {{-0.9, 0.9}},
                .accuracy = {.f32 = 3.0,
                             .f64 = 3.0,
                             .method =
                                 "odd polynomial up to 1/2; beyond s = sqrt(-log(1 - x)) plus a "
                                 "polynomial of (s - 3)/(s + 3)"},
                .doc = "the inverse of erf; NaN outside [-1, 1]"};
const Op erfcinv{.name = "erfcinv",
                 .kind = Kind::elementwise,
                 .dtypes = Dtypes::floating,
                 .cost = 50,
                 .spelling = "erfcinv_{t}({0})",
                 .infer = infer_elementwise,
                 .eval_float = erfcinv_float,
                 .gradient =
                     [](const GradContext& c) {
                       return Grads{c.grad * (-0.5 / std::numbers::inv_sqrtpi) *
                                    kroton::exp(c.output * c.output)};
                     },
                 .domain = {{0.1, 1.9}},
                 .accuracy = {.f32 = 3.0, .f64 = 3.0, .method = "as erfinv"},
                 .doc = "the inverse of erfc; NaN outside [0, 2]"};

std::span<const Op* const> special_rows() {
  static constexpr const Op* rows[] = {&xlogy,   &xlog1py,  &logit, &log1mexp, &lgamma,
                                       &digamma, &trigamma, &erfcx, &erfinv,   &erfcinv};
  return rows;
}

double error_near_zeros(const Op& op) {
  if (&op == &lgamma) return 128;
  if (&op == &digamma) return 64;
  return 0;
}

} // namespace ops

Expr xlogy(Operand a, Operand b) { return ops::elementwise(ops::xlogy, {&a, &b}); }
Expr xlog1py(Operand a, Operand b) { return ops::elementwise(ops::xlog1py, {&a, &b}); }
Expr logit(Operand a) { return ops::elementwise(ops::logit, {&a}); }
Expr log1mexp(Operand a) { return ops::elementwise(ops::log1mexp, {&a}); }
Expr lgamma(Operand a) { return ops::elementwise(ops::lgamma, {&a}); }
Expr digamma(Operand a) { return ops::elementwise(ops::digamma, {&a}); }
Expr trigamma(Operand a) { return ops::elementwise(ops::trigamma, {&a}); }
Expr erfcx(Operand a) { return ops::elementwise(ops::erfcx, {&a}); }
Expr erfinv(Operand a) { return ops::elementwise(ops::erfinv, {&a}); }
Expr erfcinv(Operand a) { return ops::elementwise(ops::erfcinv, {&a}); }

namespace {

/// Both operands in the floating dtype that they have together.
std::pair<Expr, Expr> promoted(const Operand& a, const Operand& b) {
  const Expr both = ops::elementwise(ops::div, {&a, &b});
  return {both.node()->inputs[0], both.node()->inputs[1]};
}

} // namespace

/// The larger operand is chosen, not the maximum taken, so that derivatives of all orders are right
/// where both are equal.
Expr logaddexp(Operand a, Operand b) {
  const Location at = a.where;
  const auto to = [at](const auto& v) { return Operand(v, at); };
  const auto [x, y] = promoted(a, b);
  const Expr is_first = to(x) >= to(y);
  const Expr high = where(to(is_first), to(x), to(y)), low = where(to(is_first), to(y), to(x));
  const Expr is_infinite = abs(to(low)) == to(ops::infinity);
  const Expr difference = to(low) - to(high);
  const Expr below = where(to(is_infinite), to(-ops::infinity), to(difference));
  return to(high) + to(softplus(to(below)));
}

/// Without its special case, -inf less -inf would be NaN.
Expr logdiffexp(Operand a, Operand b) {
  const Location at = a.where;
  const auto to = [at](const auto& v) { return Operand(v, at); };
  const auto [x, y] = promoted(a, b);
  const Expr is_alone = to(y) == to(-ops::infinity);
  const Expr difference = to(y) - to(x);
  const Expr below = where(to(is_alone), to(y), to(difference));
  return to(x) + to(log1mexp(to(below)));
}

namespace {

/// e^n by squaring.
Expr power(const Expr& e, int n) {
  Expr result = Expr(nullptr), square = e;
  for (; n != 0; n /= 2) {
    if (n % 2 == 1) result = result.node() ? result * square : square;
    if (n > 1) square = square * square;
  }
  return result;
}

/// The derivative of order n >= 2 of digamma for z > 0, by the Euler-Maclaurin formula: the first
/// n + 8 terms of (-1)^(n+1) n! Σ 1/(z + k)^(n+1), and the asymptotic series for the others
/// (Abramowitz and Stegun 6.4.11).
Expr polygamma_positive(int n, const Expr& z) {
  const int first = n + 8;
  const double factorial = std::tgamma(n + 1.0);
  Expr sum = power(1.0 / z, n + 1);
  for (int k = 1; k < first; ++k) sum = sum + power(1.0 / (z + static_cast<double>(k)), n + 1);
  const Expr r = 1.0 / (z + static_cast<double>(first)), square = r * r;
  Expr series = Expr(nullptr);
  for (int k = 10; k >= 1; --k) {
    const double c = static_cast<double>(ops::bernoulli[k - 1]) *
                     std::exp(std::lgamma(2.0 * k + n) - std::lgamma(2.0 * k + 1));
    series = series.node() ? series * square + c : square * 0.0 + c;
  }
  const Expr rest =
      power(r, n) * (series * square + (0.5 * factorial * r + std::tgamma(static_cast<double>(n))));
  return (n % 2 == 0 ? -1.0 : 1.0) * (factorial * sum + rest);
}

/// The derivative of order n of cot(pi x) by x, less the factor pi^n: a polynomial of the
/// cotangent, q' (-1 - c²) again and again.
Expr cotangent_derivative(int n, const Expr& cotangent) {
  std::vector<double> q = {0, 1};
  for (int k = 0; k < n; ++k) {
    std::vector<double> next(q.size() + 1);
    for (std::size_t i = 1; i < q.size(); ++i) {
      next[i - 1] -= static_cast<double>(i) * q[i];
      next[i + 1] -= static_cast<double>(i) * q[i];
    }
    q = std::move(next);
  }
  Expr sum = q[q.size() - 1] * cotangent + q[q.size() - 2];
  for (std::size_t i = q.size() - 2; i-- > 0;) sum = sum * cotangent + q[i];
  return sum;
}

} // namespace

Expr polygamma(int order, Operand a) {
  if (order < 0 || order > 100)
    support::fail<UnsupportedError>(
        "polygamma", {.place = ir::place_of(a.where, {}), .hint = "a derivative has a whole order"},
        "the order must be from 0 to 100, got {}", order);
  if (order == 0) return digamma(a);
  if (order == 1) return trigamma(a);
  const Expr x = ops::to_floating(a);
  const Expr is_negative = x < 0;
  const Expr positive = polygamma_positive(order, where(is_negative, 1.0 - x, x));
  const Expr reflected =
      -std::pow(std::numbers::pi, order + 1) * cotangent_derivative(order, cospi(x) / sinpi(x));
  return where(is_negative, order % 2 == 0 ? reflected + positive : reflected - positive, positive);
}

} // namespace kroton
