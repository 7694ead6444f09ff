#pragma once
/// Roots of one, exact at quarters of the circle.
///
///   const ComplexNumber w = root_of_one(1, 8);      // exp(-2 pi i / 8)
#include <cmath>
#include <cstdint>
#include <numbers>

namespace kroton::support {

struct ComplexNumber {
  long double re = 0, im = 0;
};

/// exp(-2 pi i j / n), for 0 <= j < n < 2^61.
inline ComplexNumber root_of_one(std::int64_t j, std::int64_t n) {
  const std::int64_t quarter = 4 * j / n, rest = 4 * j - quarter * n;
  const long double angle = std::numbers::pi_v<long double> / 2 * static_cast<long double>(rest) /
                            static_cast<long double>(n);
  const long double c = rest == 0 ? 1.0L : std::cos(angle), s = rest == 0 ? 0.0L : std::sin(angle);
  switch (quarter) {
  case 0:
    return {c, -s};
  case 1:
    return {-s, -c};
  case 2:
    return {-c, s};
  default:
    return {s, c};
  }
}

} // namespace kroton::support
