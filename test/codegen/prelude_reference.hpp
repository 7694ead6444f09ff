#pragma once
/// What the prelude's functions should give, in a wider type, and how far a result is from it.
///
///   ulp_error<float>(exp_f32(x), prelude_reference<double>("exp_f32")(x)) <= 1.0
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>

namespace kroton::test {

/// double for float, long double for double.
template <class T> using Wider = std::conditional_t<sizeof(T) == 4, double, long double>;

/// x less the nearest multiple of 1/2, times π; and which quarter turn that multiple was.
template <class W> struct QuarterTurn {
  explicit QuarterTurn(W x) {
    W n = std::rint(2 * x);
    angle = (x - n / 2) * 3.14159265358979323846264338327950288L;
    turn = static_cast<int>(n - 4 * std::floor(n / 4));
  }
  W angle;
  int turn;
};

template <class W> W exact_sinpi(W x) {
  if (!std::isfinite(x)) return std::numeric_limits<W>::quiet_NaN();
  QuarterTurn<W> q(x);
  W y = q.turn % 2 == 1 ? std::cos(q.angle) : std::sin(q.angle);
  y = q.turn >= 2 ? -y : y;
  return y == 0 ? std::copysign(W(0), x) : y;
}

template <class W> W exact_cospi(W x) {
  if (!std::isfinite(x)) return std::numeric_limits<W>::quiet_NaN();
  QuarterTurn<W> q(x);
  W y = q.turn % 2 == 1 ? std::sin(q.angle) : std::cos(q.angle);
  return (q.turn == 1 || q.turn == 2 ? -y : y) + W(0);
}

template <class W> W exact_sigmoid(W x) {
  W z = std::exp(-std::abs(x));
  return (x < 0 ? z : W(1)) / (1 + z);
}

template <class W> W exact_softplus(W x) {
  return (x > 0 ? x : W(0)) + std::log1p(std::exp(-std::abs(x)));
}

template <class W> W exact_tanh_slope(W x) {
  W c = std::cosh(x);
  return 1 / c / c;
}

template <class W> W (*prelude_reference(std::string_view name))(W) {
  name.remove_suffix(4); // "_f32"
  if (name == "exp") return [](W x) { return std::exp(x); };
  if (name == "expm1") return [](W x) { return std::expm1(x); };
  if (name == "log") return [](W x) { return std::log(x); };
  if (name == "log1p") return [](W x) { return std::log1p(x); };
  if (name == "tanh") return [](W x) { return std::tanh(x); };
  if (name == "tanh_slope") return exact_tanh_slope<W>;
  if (name == "sqrt") return [](W x) { return std::sqrt(x); };
  if (name == "sigmoid") return exact_sigmoid<W>;
  if (name == "softplus") return exact_softplus<W>;
  if (name == "sinpi") return exact_sinpi<W>;
  if (name == "cospi") return exact_cospi<W>;
  std::abort();
}

/// |got - exact| in units in the last place of `exact`; infinite when one is NaN and the other is
/// not, when signs differ, or when one is infinite and the other does not round to it.
template <class T> double ulp_error(T got, Wider<T> exact) {
  using W = Wider<T>;
  constexpr double wrong = std::numeric_limits<double>::infinity();
  constexpr int digits = std::numeric_limits<T>::digits;
  constexpr int least =
      std::numeric_limits<T>::min_exponent - digits; // exponent of the smallest denormal
  if (std::isnan(got) || std::isnan(exact))
    return std::isnan(got) && std::isnan(exact) ? 0.0 : wrong;
  if (std::signbit(got) != std::signbit(exact)) return wrong;
  if (std::isinf(exact)) return std::isinf(got) ? 0.0 : wrong;
  if (exact == 0) return got == 0 ? 0.0 : wrong;
  const W top = std::ldexp(W(1), std::numeric_limits<T>::max_exponent);
  W value = std::isinf(got) ? std::copysign(top, exact) : W(got);
  if (std::abs(exact) >= top) return std::isinf(got) ? 0.0 : wrong;
  int exponent = std::max(std::ilogb(exact) + 1 - digits, least);
  return static_cast<double>(std::ldexp(std::abs(value - exact), -exponent));
}

} // namespace kroton::test
