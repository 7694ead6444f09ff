#pragma once
/// How far a result is from what it should be, in a wider type.
///
///   ulp_error<float>(got, std::exp(double(x))) <= 1.25
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

namespace kroton::test {

/// double for float, long double for double.
template <class T> using Wider = std::conditional_t<sizeof(T) == 4, double, long double>;

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
