/// What dtype an expression has when a C++ number meets it, and what value the number takes there:
/// the rules of docs/dtypes.md, seen through expressions and compiled code.
#include <kroton/core.hpp>
#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/transcendental.hpp>

#include <cmath>
#include <limits>

#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"

namespace kt = kroton;
using kt::Array;
using kt::DType;
using kt::Expr;
using kt::test::message_of;

namespace {

Expr of(DType t) { return kt::tensor(t, {kt::dim()}, "x"); }

constexpr DType all[] = {DType::bool_, DType::i8,  DType::i16, DType::i32, DType::i64, DType::u8,
                         DType::u16,   DType::u32, DType::u64, DType::f32, DType::f64};

/// f(x) for a one-element x.
template <class T> Array value_at(T x, Expr (*f)(Expr)) {
  const Expr input = kt::vector<T>("x");
  return kt::function({input}, {f(input)})({Array::from({x})})[0];
}

} // namespace

TEST_CASE("a C++ number takes the dtype of the expression that it meets", "[function][promotion]") {
  struct Row {
    const char* written;
    Expr (*build)(Expr);
    // By the dtype of x: bool, signed, unsigned integers keep theirs or not, f32, f64.
    DType with_bool;
    bool keeps_integers;
    bool keeps_floats;
  };
  const Row rows[] = {
      {"x + 1", [](Expr x) { return x + 1; }, DType::i64, true, true},
      {"1 - x", [](Expr x) { return 1 - x; }, DType::i64, true, true},
      {"x * 2u", [](Expr x) { return x * 2u; }, DType::i64, true, true},
      {"x * 2ull", [](Expr x) { return x * 2ull; }, DType::i64, true, true},
      {"x * short(2)", [](Expr x) { return x * short{2}; }, DType::i64, true, true},
      {"x + 'a'", [](Expr x) { return x + 'a'; }, DType::i64, true, true},
      {"maximum(x, 0)", [](Expr x) { return kt::maximum(x, 0); }, DType::i64, true, true},
      {"where(x == x, x, 1)", [](Expr x) { return kt::where(x == x, x, 1); }, DType::i64, true,
       true},
      {"maximum(x, true)", [](Expr x) { return kt::maximum(x, true); }, DType::bool_, true, true},
      {"0.1f * x", [](Expr x) { return 0.1f * x; }, DType::f32, false, true},
      {"0.1 * x", [](Expr x) { return 0.1 * x; }, DType::f64, false, true},
      {"x + 1.0L", [](Expr x) { return x + 1.0L; }, DType::f64, false, true},
      {"x / 2", [](Expr x) { return x / 2; }, DType::f64, false, true},
      {"pow(x, 2)", [](Expr x) { return kt::pow(x, 2); }, DType::i64, true, true},
  };
  for (const Row& row : rows)
    for (const DType t : all) {
      CAPTURE(row.written, to_string(t));
      const DType expected = kt::is_float(t)      ? t
                             : kt::is_bool(t)     ? row.with_bool
                             : row.keeps_integers ? t
                                                  : row.with_bool;
      CHECK(row.build(of(t)).dtype() == expected);
    }
}

TEST_CASE("a comparison is made in the expression's dtype and gives bool",
          "[function][promotion]") {
  for (const DType t : all) {
    CHECK((of(t) == 1).dtype() == DType::bool_);
    CHECK((0.5 < of(t)).dtype() == DType::bool_);
  }
  // 0.1f is nearer to 0.1 than any other float, but the double 0.1f is not 0.1.
  CHECK(value_at(0.1f, [](Expr x) { return x == 0.1; }).item<bool>());
  CHECK(!value_at(0.1, [](Expr x) { return x == 0.1f; }).item<bool>());
}

TEST_CASE("a literal keeps its value where the dtype can hold it", "[function][promotion]") {
  constexpr auto big = std::numeric_limits<std::uint64_t>::max();
  CHECK(value_at<std::uint64_t>(1, [](Expr x) {
          return kt::maximum(x, big);
        }).item<std::uint64_t>() == big);
  CHECK(value_at<std::uint64_t>(big, [](Expr x) { return x - big; }).item<std::uint64_t>() == 0);
  constexpr auto low = std::numeric_limits<std::int64_t>::min();
  CHECK(value_at<std::int64_t>(0, [](Expr x) { return x + low; }).item<std::int64_t>() == low);
  CHECK(value_at<std::int64_t>(0, [](Expr x) {
          return x + std::int64_t{9007199254740993};
        }).item<std::int64_t>() == 9007199254740993);
  CHECK(value_at<std::int8_t>(0, [](Expr x) { return x + -128; }).item<std::int8_t>() == -128);
  CHECK(value_at<std::uint8_t>(0, [](Expr x) { return x + 255u; }).item<std::uint8_t>() == 255);
  CHECK(value_at(0.0, [](Expr x) { return x + big; }).item<double>() == 18446744073709551616.0);
  CHECK(value_at(true, [](Expr x) { return x + 1; }).item<std::int64_t>() == 2);
  CHECK(value_at(0.0, [](Expr x) { return x + 0.1f; }).item<double>() == double{0.1f});
  CHECK(value_at(0.0f, [](Expr x) { return x + 0.1; }).item<float>() == 0.1f);
  CHECK(std::isinf(value_at(1.0f, [](Expr x) { return x * 1e300; }).item<float>()));
}

TEST_CASE("an integer literal that does not fit says so", "[function][promotion]") {
  CHECK(message_of<kt::TypeError>([] { of(DType::i8) + 128; }) ==
        "literal: 128 does not fit i8\n"
        "  at promotion_test.cpp:LINE\n"
        "  hint: cast the expression to a wider dtype first");
  CHECK(message_of<kt::TypeError>([] { of(DType::u8) * -1; }) ==
        "literal: -1 does not fit u8\n"
        "  at promotion_test.cpp:LINE\n"
        "  hint: cast the expression to a wider dtype first");
  CHECK(message_of<kt::TypeError>([] { of(DType::i64) + 18446744073709551615ull; }) ==
        "literal: 18446744073709551615 does not fit i64\n"
        "  at promotion_test.cpp:LINE\n"
        "  hint: cast the expression to a wider dtype first");
  CHECK(message_of<kt::TypeError>([] {
          of(DType::u64) + std::numeric_limits<std::int64_t>::min();
        }) == "literal: -9223372036854775808 does not fit u64\n"
              "  at promotion_test.cpp:LINE\n"
              "  hint: cast the expression to a wider dtype first");
}

TEST_CASE("adding zero is IEEE's, whatever the literal", "[function][promotion]") {
  auto is_negative_zero = [](const Array& a) {
    return a.item<float>() == 0 && std::signbit(a.item<float>());
  };
  CHECK(!is_negative_zero(value_at(-0.0f, [](Expr x) { return x + 0; })));
  CHECK(!is_negative_zero(value_at(-0.0f, [](Expr x) { return 0 + x; })));
  CHECK(!is_negative_zero(value_at(-0.0f, [](Expr x) { return log(1 + x); })));
  CHECK(!is_negative_zero(value_at(0.0f, [](Expr x) { return log(1 - x); })));
  CHECK(!is_negative_zero(value_at(-0.0f, [](Expr x) { return exp(x) - 1; })));
  CHECK(!is_negative_zero(value_at(0.0f, [](Expr x) { return 1 - exp(x); })));
  CHECK(is_negative_zero(value_at(-0.0f, [](Expr x) { return log1p(x); })));
  CHECK(is_negative_zero(value_at(-0.0f, [](Expr x) { return x - 0; })));
  CHECK(!is_negative_zero(value_at(-0.0f, [](Expr x) { return 1 * x + 0; })));
  CHECK(is_negative_zero(value_at(-0.0f, [](Expr x) { return 1 * x - 0; })));
  CHECK(is_negative_zero(value_at(-0.0f, [](Expr x) { return x + -0.0f; })));
  CHECK(!is_negative_zero(value_at(-0.0f, [](Expr x) { return x + 0.0f; })));
  CHECK(!is_negative_zero(value_at(-0.0f, [](Expr x) { return 0 - x; })));
  CHECK(!is_negative_zero(value_at(0.0f, [](Expr x) { return x + 0; })));
}

TEST_CASE("arrays promote as NumPy's do", "[function][promotion]") {
  for (const DType a : all)
    for (const DType b : all) {
      if (a == DType::bool_ && b == DType::bool_) continue; // add refuses bool
      CAPTURE(to_string(a), to_string(b));
      CHECK((of(a) + of(b)).dtype() == kt::promote(a, b));
      CHECK((of(a) / of(b)).dtype() == (kt::promote(a, b) == DType::f32 ? DType::f32 : DType::f64));
    }
  // A constant made with kt::constant is an array: it does not adapt.
  CHECK((of(DType::f32) * kt::constant(0.1)).dtype() == DType::f64);
  CHECK((of(DType::i8) + kt::constant(std::int64_t{1})).dtype() == DType::i64);
}

TEST_CASE("reductions of integers widen", "[function][promotion]") {
  CHECK(kt::sum(of(DType::bool_)).dtype() == DType::i64);
  CHECK(kt::sum(of(DType::i8)).dtype() == DType::i64);
  CHECK(kt::sum(of(DType::u16)).dtype() == DType::u64);
  CHECK(kt::sum(of(DType::f32)).dtype() == DType::f32);
  CHECK(kt::mean(of(DType::i32)).dtype() == DType::f64);
  CHECK(kt::max(of(DType::i8)).dtype() == DType::i8);
  CHECK(kt::softmax(of(DType::i32)).dtype() == DType::f64);
  CHECK(kt::dot(of(DType::i8), of(DType::i8)).dtype() == DType::i8);
  CHECK(kt::dot(of(DType::bool_), of(DType::bool_)).dtype() == DType::i64);
}
