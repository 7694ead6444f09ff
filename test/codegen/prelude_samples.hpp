#pragma once
/// Arguments to try a prelude function with.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

namespace kroton::test {

/// splitmix64: enough for test data, and the same everywhere.
class SampleStream {
public:
  explicit SampleStream(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// In [0, 1).
  double unit() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  /// Any bit pattern: every exponent alike, infinities and NaN among them.
  template <class T> T pattern() {
    if constexpr (sizeof(T) == 4)
      return std::bit_cast<T>(static_cast<std::uint32_t>(bits()));
    else
      return std::bit_cast<T>(bits());
  }
  /// ±[1, 2) · 2^e with e in [low, high].
  template <class T> T between_exponents(int low, int high) {
    int exponent = low + static_cast<int>(bits() % static_cast<std::uint64_t>(high - low + 1));
    T value = std::ldexp(static_cast<T>(1 + static_cast<T>(unit())), exponent);
    return bits() & 1 ? -value : value;
  }

private:
  std::uint64_t state_;
};

/// Zeros, ones, infinities, NaN, the ends of the denormal and normal ranges, and the neighbours of
/// the points where exp, tanh and their relatives overflow, underflow, saturate or change method.
template <class T> std::vector<T> special_values() {
  using limits = std::numeric_limits<T>;
  std::vector<T> values = {0, limits::infinity(), limits::quiet_NaN()};
  std::vector<T> centres = {limits::denorm_min(), limits::min(), limits::max(), 1, 2, 3};
  for (double centre : {0.25,
                        0.3465735902799726,
                        0.5,
                        0.55,
                        2.0 / 3,
                        0.7071067811865476,
                        1.5,
                        9.01,
                        10.0,
                        20.0,
                        40.0,
                        87.33654,
                        88.72284,
                        103.97208,
                        104.0,
                        709.782712893384,
                        745.1332191019411,
                        746.0,
                        8388608.0,
                        16777216.0,
                        0x1p52,
                        0x1p53,
                        0x1p65})
    centres.push_back(static_cast<T>(centre));
  for (T centre : centres) {
    values.push_back(centre);
    values.push_back(std::nextafter(centre, T(0)));
    values.push_back(std::nextafter(centre, limits::infinity()));
  }
  for (std::size_t i = 0, count = values.size(); i < count; ++i) values.push_back(-values[i]);
  return values;
}

/// Pairs (x, y) whose power is in the range of T or just beyond it, three quarters of them; the
/// rest are any bit patterns. Some exponents are integers.
template <class T> std::pair<T, T> power_sample(SampleStream& stream, std::uint64_t index) {
  if (index % 4 == 0) return {stream.pattern<T>(), stream.pattern<T>()};
  int reach = std::numeric_limits<T>::max_exponent - 2;
  T x = index % 4 == 1   ? std::abs(stream.between_exponents<T>(-1, 0))
        : index % 4 == 2 ? 1 + stream.between_exponents<T>(-std::numeric_limits<T>::digits + 2, -2)
                         : std::abs(stream.between_exponents<T>(-reach, reach));
  double span = sizeof(T) == 4 ? 152 : 1080;
  T y = static_cast<T>((2 * stream.unit() - 1) * span / std::log2(static_cast<double>(x)));
  return {x, index % 16 == 1 ? std::rint(y) : y};
}

} // namespace kroton::test
