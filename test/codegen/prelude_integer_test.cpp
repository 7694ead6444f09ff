// The prelude's integer arithmetic, casts, orderings and random words, against plain definitions.
#include "test/codegen/prelude_samples.hpp"
#include "test/support/catch.hpp"

#include <algorithm>
#include <limits>

namespace {

#include "codegen/prelude/base.h"
#include "codegen/prelude/sign.h"
#include "codegen/prelude/integer.h"
#include "codegen/prelude/cast.h"
#include "codegen/prelude/random.h"

using kroton::test::SampleStream;

template <class T> std::vector<T> integers() {
  using limits = std::numeric_limits<T>;
  std::vector<T> values = {0,
                           1,
                           2,
                           3,
                           7,
                           limits::max(),
                           limits::max() - 1,
                           limits::min(),
                           static_cast<T>(limits::min() + 1),
                           static_cast<T>(-1),
                           static_cast<T>(-2),
                           static_cast<T>(-7)};
  SampleStream stream(11);
  for (int i = 0; i < 200; ++i)
    values.push_back(static_cast<T>(stream.bits() >> (stream.bits() % 64)));
  return values;
}

__extension__ using Wide = __int128;

/// ⌊a / b⌋ in arithmetic that cannot overflow.
Wide exact_floor_div(Wide a, Wide b) {
  if (b == 0) return 0;
  Wide quotient = a / b;
  return quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

template <class T> T exact_power(T a, T b) {
  std::uint64_t result = 1;
  for (T i = 0; i < b; ++i) result *= static_cast<std::uint64_t>(a);
  return static_cast<T>(result);
}

template <class T, class F> T exact_cast(F x) {
  using limits = std::numeric_limits<T>;
  if (x != x) return 0;
  long double wide = std::trunc(static_cast<long double>(x));
  if (wide <= static_cast<long double>(limits::min())) return limits::min();
  if (wide >= static_cast<long double>(limits::max())) return limits::max();
  return static_cast<T>(wide);
}

template <class T, class FloorDiv, class Mod> void check_division(FloorDiv floor_div, Mod mod) {
  int wrong = 0;
  for (T a : integers<T>())
    for (T b : integers<T>()) {
      Wide quotient = exact_floor_div(a, b);
      wrong += floor_div(a, b) != static_cast<T>(quotient);
      wrong += mod(a, b) != static_cast<T>(b == 0 ? 0 : a - quotient * b);
    }
  CHECK(wrong == 0);
}

template <class T, class Power> void check_power(Power power) {
  int wrong = 0;
  for (T a : integers<T>()) {
    for (T b = 0; b < 70; ++b) wrong += power(a, b) != exact_power<T>(a, b);
    if constexpr (std::numeric_limits<T>::is_signed) {
      wrong += power(a, T(-1)) != T(a == 1 || a == -1 ? a : 0);
      wrong += power(a, T(-2)) != T(a == 1 || a == -1 ? 1 : 0);
    }
  }
  CHECK(wrong == 0);
}

template <class T, class F, class Cast> void check_cast(Cast cast) {
  std::vector<F> values = kroton::test::special_values<F>();
  SampleStream stream(13);
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(stream.pattern<F>());
    values.push_back(stream.between_exponents<F>(-3, 66));
  }
  for (int exponent : {7, 8, 15, 16, 31, 32, 63, 64})
    for (F sign : {F(1), F(-1)}) {
      F edge = sign * std::ldexp(F(1), exponent);
      for (F x : {edge, edge - 1, edge + 1, edge - F(0.5), edge + F(0.5),
                  std::nextafter(edge, F(0)), std::nextafter(edge, 2 * edge)})
        values.push_back(x);
    }
  int wrong = 0;
  for (F x : values) wrong += cast(x) != exact_cast<T, F>(x);
  CHECK(wrong == 0);
}

} // namespace

#define KROTON_EACH_INTEGER(check)                                                                 \
  check(i8) check(i16) check(i32) check(i64) check(u8) check(u16) check(u32) check(u64)

TEST_CASE("prelude integer division rounds down and its remainder has the divisor's sign",
          "[codegen][prelude]") {
#define KROTON_CHECK_DIVISION(t)                                                                   \
  check_division<t>([](t a, t b) { return floor_div_##t(a, b); },                                  \
                    [](t a, t b) { return mod_##t(a, b); });
  KROTON_EACH_INTEGER(KROTON_CHECK_DIVISION)
  CHECK(floor_div_i32(-7, 2) == -4);
  CHECK(mod_i32(-7, 2) == 1);
  CHECK(mod_i32(7, -2) == -1);
  CHECK(floor_div_i64(std::numeric_limits<i64>::min(), -1) == std::numeric_limits<i64>::min());
  CHECK(floor_div_u8(200, 0) == 0);
}

TEST_CASE("prelude integer power wraps, and truncates reciprocals", "[codegen][prelude]") {
#define KROTON_CHECK_POWER(t) check_power<t>([](t a, t b) { return ipow_##t(a, b); });
  KROTON_EACH_INTEGER(KROTON_CHECK_POWER)
}

TEST_CASE("prelude casts to integers truncate and saturate, and give 0 for NaN",
          "[codegen][prelude]") {
#define KROTON_CHECK_CAST(t)                                                                       \
  check_cast<t, float>([](float x) { return to_##t(x); });                                         \
  check_cast<t, double>([](double x) { return to_##t(x); });
  KROTON_EACH_INTEGER(KROTON_CHECK_CAST)
}

TEST_CASE("prelude casts to bool are true for everything but zero", "[codegen][prelude]") {
  CHECK_FALSE(to_bool(-0.0f));
  CHECK(to_bool(std::numeric_limits<double>::quiet_NaN()));
  CHECK(to_bool(std::numeric_limits<float>::denorm_min()));
  CHECK(to_bool(i64(1) << 40));
}

TEST_CASE("prelude minimum and maximum let NaN through and order zeros by sign",
          "[codegen][prelude]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (float x : {nan, -1.0f, 0.0f, 1.0f}) {
    CHECK(std::isnan(maximum_f32(x, nan)));
    CHECK(std::isnan(maximum_f32(nan, x)));
    CHECK(std::isnan(minimum_f64(double(x), double(nan))));
    CHECK(std::isnan(minimum_f64(double(nan), double(x))));
  }
  CHECK_FALSE(std::signbit(maximum_f32(-0.0f, 0.0f)));
  CHECK_FALSE(std::signbit(maximum_f64(0.0, -0.0)));
  CHECK(std::signbit(minimum_f32(0.0f, -0.0f)));
  CHECK(std::signbit(minimum_f64(-0.0, 0.0)));
  CHECK(maximum_f64(-3.0, 2.0) == 2.0);
  CHECK(minimum_f32(-3.0f, 2.0f) == -3.0f);
}

TEST_CASE("prelude relu and sign let NaN through", "[codegen][prelude]") {
  CHECK(std::isnan(relu_f32(std::numeric_limits<float>::quiet_NaN())));
  CHECK(std::isnan(sign_f64(std::numeric_limits<double>::quiet_NaN())));
  CHECK_FALSE(std::signbit(relu_f64(-0.0)));
  CHECK(relu_f32(-2.0f) == 0.0f);
  CHECK(relu_f32(2.0f) == 2.0f);
  CHECK(sign_f32(-2.0f) == -1.0f);
  CHECK(std::signbit(sign_f64(-0.0)));
}

TEST_CASE("prelude Philox gives the known answers that Random123 publishes", "[codegen][prelude]") {
  auto block = [](u32 c0, u32 c1, u32 c2, u32 c3, u32 k0, u32 k1) {
    std::vector<u32> words;
    for (i32 word = 0; word < 4; ++word)
      words.push_back(philox_word(k0 | u64(k1) << 32, c0, c1, c2 | u64(c3) << 32, word));
    return words;
  };
  CHECK(block(0, 0, 0, 0, 0, 0) ==
        std::vector<u32>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const u32 ones = 0xffffffff;
  CHECK(block(ones, ones, ones, ones, ones, ones) ==
        std::vector<u32>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(block(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0) ==
        std::vector<u32>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("prelude uniforms lie in [0, 1) and take the words that their element owns",
          "[codegen][prelude]") {
  CHECK(unit_f32(0xffffffff) == 1.0f - 0x1p-24f);
  CHECK(unit_f32(0) == 0.0f);
  CHECK(unit_f64(0xffffffff, 0xffffffff) == 1.0 - 0x1p-53);
  CHECK(unit_f64(0u, 0xffffffffu) == 0x1p-27 - 0x1p-53);
  CHECK(uniform_f32(7, 3, 9, 4 * 5 + 2) == unit_f32(philox_word(7, 5, 3, 9, 2)));
  CHECK(uniform_f64(7, 3, 9, 2 * 5 + 1) ==
        unit_f64(philox_word(7, 5, 3, 9, 2), philox_word(7, 5, 3, 9, 3)));
  double sum = 0.0;
  for (u64 i = 0; i < 100'000; ++i) sum += uniform_f32(1, 2, 3, i) + uniform_f64(1, 2, 3, i);
  CHECK(std::abs(sum / 200'000 - 0.5) < 0.005);
}
