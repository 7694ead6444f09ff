/// What follows from the rows of dtypes, for the rows there are and for rows that others would add.
#include <array>

#include "lib/support/dtype.hpp"
#include "lib/support/visit_dtype.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

/// Formats that are no dtypes yet.
constexpr DTypeRow half{.dtype = DType::f32,
                        .kind = DTypeKind::floating,
                        .name = "f16",
                        .numpy_name = "float16",
                        .cpp_name = "half",
                        .size = 2,
                        .compute = DType::f32,
                        .digits = 11,
                        .min_exponent = -13,
                        .max_exponent = 16,
                        .literal = "(f16){}f",
                        .npy_code = "f2",
                        .dlpack_code = 2};
constexpr DTypeRow brain_float = [] {
  DTypeRow row = half;
  row.digits = 8;
  row.min_exponent = -125;
  row.max_exponent = 128;
  return row;
}();

bool holds(const DTypeRow& to, DType from) { return support::holds_all(to, row_of(from)); }

} // namespace

TEST_CASE("a dtype holds all of another if every value of it is one of its own", "[dtype]") {
  // Sizes once said it: then f16 held every i16, bf16 every f16 and f16 every bf16.
  CHECK(holds(half, DType::i8));
  CHECK(holds(half, DType::u8));
  CHECK(holds(half, DType::bool_));
  CHECK_FALSE(holds(half, DType::i16));
  CHECK_FALSE(holds(half, DType::u16));
  CHECK(holds(brain_float, DType::u8));
  CHECK_FALSE(holds(brain_float, DType::i16));
  CHECK_FALSE(support::holds_all(half, brain_float));
  CHECK_FALSE(support::holds_all(brain_float, half));
  for (const DTypeRow& narrow : {half, brain_float}) {
    CHECK(support::holds_all(row_of(DType::f32), narrow));
    CHECK(support::holds_all(row_of(DType::f64), narrow));
    CHECK_FALSE(support::holds_all(narrow, row_of(DType::f32)));
  }
}

TEST_CASE("which of the dtypes hold which", "[dtype]") {
  const auto held = [](DType to) {
    std::vector<std::string_view> names;
    for (const DTypeRow& from : dtype_rows)
      if (support::holds_all(to, from.dtype)) names.push_back(from.name);
    return names;
  };
  using Names = std::vector<std::string_view>;
  CHECK(held(DType::bool_) == Names{"bool"});
  CHECK(held(DType::i8) == Names{"bool", "i8"});
  CHECK(held(DType::i16) == Names{"bool", "i8", "i16", "u8"});
  CHECK(held(DType::i32) == Names{"bool", "i8", "i16", "i32", "u8", "u16"});
  CHECK(held(DType::i64) == Names{"bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32"});
  CHECK(held(DType::u8) == Names{"bool", "u8"});
  CHECK(held(DType::u64) == Names{"bool", "u8", "u16", "u32", "u64"});
  CHECK(held(DType::f32) == Names{"bool", "i8", "i16", "u8", "u16", "f32"});
  CHECK(held(DType::f64) == Names{"bool", "i8", "i16", "i32", "u8", "u16", "u32", "f32", "f64"});
}

TEST_CASE("the rows of dtypes say what C++ says of their types", "[dtype]") {
  for (const DTypeRow& row : dtype_rows)
    support::visit_dtype(row.dtype, [&]<class T>(std::type_identity<T>) {
      using Limits = std::numeric_limits<T>;
      INFO(row.name);
      CHECK(dtype_of<T> == row.dtype);
      CHECK(sizeof(T) == row.size);
      CHECK(Limits::digits == row.digits);
      CHECK(std::is_floating_point_v<T> == is_float(row.dtype));
      CHECK((std::is_integral_v<T> && !std::is_same_v<T, bool>) == is_integer(row.dtype));
      CHECK((is_signed_int(row.dtype) || is_float(row.dtype)) == std::is_signed_v<T>);
      if constexpr (std::is_floating_point_v<T>) {
        CHECK(Limits::min_exponent == row.min_exponent);
        CHECK(Limits::max_exponent == row.max_exponent);
      }
    });
}

TEST_CASE("what asks for a dtype of floats refuses others", "[dtype]") {
  const auto digits = [](DType t) {
    return support::visit_float(
        t, []<class T>(std::type_identity<T>) { return std::numeric_limits<T>::digits; });
  };
  CHECK(digits(DType::f32) == 24);
  CHECK(digits(DType::f64) == 53);
  CHECK_THROWS_AS(digits(DType::i32), InternalError);
}

} // namespace kroton::test
