#pragma once
/// Element types, promotion between them, and their C++ counterparts.
///
///   promote(DType::i64, DType::f32) == DType::f32     // a float keeps its dtype beside integers
///   dtype_of<float> == DType::f32
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <iterator>
#include <span>
#include <string_view>

namespace kroton {

/// Element type of an array. The numbers are part of the on-disk formats: append only. What is
/// known of a dtype is in its row of `dtype_rows`; nothing follows from the order.
enum class DType : std::uint8_t { bool_, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64 };

/// What the elements of a dtype are.
enum class DTypeKind : std::uint8_t { boolean, signed_integer, unsigned_integer, floating };

/// All that is known of a dtype.
struct DTypeRow {
  DType dtype;
  DTypeKind kind;
  std::string_view name;       ///< here and in the text of kernels: "f32"
  std::string_view numpy_name; ///< "float32"
  std::string_view cpp_name;   ///< "float"
  std::uint8_t size;           ///< bytes of an element in memory
  DType compute;               ///< the dtype that arithmetic on its elements is done in
  std::uint8_t digits;         ///< of a significand, or of an integer's magnitude, in binary
  /// Of a float, as in std::numeric_limits: its normal numbers are from 2^(min_exponent - 1) to
  /// below 2^max_exponent. 0 for others.
  std::int16_t min_exponent, max_exponent;
  std::string_view literal;  ///< a constant in the text of kernels; {} stands for the number
  std::string_view npy_code; ///< in NumPy's files, after the byte order: "f4"
  std::uint8_t dlpack_code;  ///< DLDataTypeCode
};

/// A row for each dtype, in the order of their numbers.
inline constexpr DTypeRow dtype_rows[] = {
    {DType::bool_, DTypeKind::boolean, "bool", "bool", "bool", 1, DType::bool_, 1, 0, 0, "{}", "b1",
     6},
    {DType::i8, DTypeKind::signed_integer, "i8", "int8", "std::int8_t", 1, DType::i8, 7, 0, 0,
     "(i8){}", "i1", 0},
    {DType::i16, DTypeKind::signed_integer, "i16", "int16", "std::int16_t", 2, DType::i16, 15, 0, 0,
     "(i16){}", "i2", 0},
    {DType::i32, DTypeKind::signed_integer, "i32", "int32", "std::int32_t", 4, DType::i32, 31, 0, 0,
     "{}", "i4", 0},
    {DType::i64, DTypeKind::signed_integer, "i64", "int64", "std::int64_t", 8, DType::i64, 63, 0, 0,
     "{}l", "i8", 0},
    {DType::u8, DTypeKind::unsigned_integer, "u8", "uint8", "std::uint8_t", 1, DType::u8, 8, 0, 0,
     "(u8){}u", "u1", 1},
    {DType::u16, DTypeKind::unsigned_integer, "u16", "uint16", "std::uint16_t", 2, DType::u16, 16,
     0, 0, "(u16){}u", "u2", 1},
    {DType::u32, DTypeKind::unsigned_integer, "u32", "uint32", "std::uint32_t", 4, DType::u32, 32,
     0, 0, "(u32){}u", "u4", 1},
    {DType::u64, DTypeKind::unsigned_integer, "u64", "uint64", "std::uint64_t", 8, DType::u64, 64,
     0, 0, "(u64){}ul", "u8", 1},
    {DType::f32, DTypeKind::floating, "f32", "float32", "float", 4, DType::f32, 24, -125, 128,
     "{}f", "f4", 2},
    {DType::f64, DTypeKind::floating, "f64", "float64", "double", 8, DType::f64, 53, -1021, 1024,
     "{}", "f8", 2},
};

inline constexpr int dtype_count = std::size(dtype_rows);

constexpr const DTypeRow& row_of(DType t) noexcept {
  return dtype_rows[static_cast<std::size_t>(t)];
}

namespace detail {
/// Whether each row stands at its dtype's number and leaves no column out.
consteval bool are_complete(std::span<const DTypeRow> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const DTypeRow& r = rows[i];
    const bool has_texts = !r.name.empty() && !r.numpy_name.empty() && !r.cpp_name.empty() &&
                           !r.literal.empty() && !r.npy_code.empty();
    const bool is_float = r.kind == DTypeKind::floating;
    const bool has_range = is_float == (r.min_exponent < 0) && is_float == (r.max_exponent > 0);
    if (static_cast<std::size_t>(r.dtype) != i || !has_texts || r.size == 0 || r.digits == 0 ||
        !has_range || rows[static_cast<std::size_t>(r.compute)].kind != r.kind)
      return false;
  }
  return true;
}
static_assert(are_complete(dtype_rows));
} // namespace detail

/// "bool", "i8", …, "f64".
constexpr std::string_view to_string(DType t) noexcept { return row_of(t).name; }
std::ostream& operator<<(std::ostream&, DType);
/// The inverse of `to_string`; throws TypeError for anything else.
DType parse_dtype(std::string_view);

/// Bytes of one element.
constexpr std::size_t item_size(DType t) noexcept { return row_of(t).size; }

constexpr bool is_bool(DType t) noexcept { return row_of(t).kind == DTypeKind::boolean; }
constexpr bool is_float(DType t) noexcept { return row_of(t).kind == DTypeKind::floating; }
constexpr bool is_signed_int(DType t) noexcept {
  return row_of(t).kind == DTypeKind::signed_integer;
}
constexpr bool is_unsigned_int(DType t) noexcept {
  return row_of(t).kind == DTypeKind::unsigned_integer;
}
constexpr bool is_integer(DType t) noexcept { return is_signed_int(t) || is_unsigned_int(t); }

/// Which dtype an op has whose operands have two. docs/dtypes.md has the tables.
enum class Promotion : std::uint8_t {
  /// A float keeps its dtype beside integers of any size, as in C++: f32 * i64 is f32. A `float` in
  /// an expression counts as f32, a `double` as f64 where nothing else says how wide floats are.
  standard,
  /// NumPy 2: f32 * i64 is f64, the smallest dtype that holds the values of both; every floating
  /// literal counts as f64 beside integers.
  numpy,
};

/// While it lives, the calling thread builds expressions by another rule of promotion. It changes
/// nothing in expressions that are there already, nor how they are computed.
///
///   const kt::UsePromotion rule(kt::Promotion::numpy);
///   auto y = x * kt::arange(n);                       // f64 for an x of f32
class UsePromotion {
public:
  explicit UsePromotion(Promotion rule) noexcept;
  UsePromotion(const UsePromotion&) = delete;
  UsePromotion& operator=(const UsePromotion&) = delete;
  ~UsePromotion();

private:
  Promotion before_;
};
/// The rule by which the calling thread builds expressions now.
Promotion current_promotion() noexcept;

/// The dtype of `a op b` for two arrays: of integers or of floats the smallest that holds the
/// values of both, f64 if there is none (u64 with any signed integer); of a float and an integer
/// what the rule says.
DType promote(DType a, DType b, Promotion rule = current_promotion()) noexcept;

/// The kind of a C++ number mixed with an expression: it adapts to the expression's dtype where it
/// can ("weak" promotion), so `0.1f * f64` stays f64 and `2 * f32` stays f32. Of several numbers,
/// the last of these kinds says what they count as.
enum class WeakKind : std::uint8_t { bool_, integer, floating, f32 };

/// The dtype of a number with no expression beside it: bool, i64, f64, f32 (f64 by NumPy's rule).
DType dtype_of_weak(WeakKind literal, Promotion rule = current_promotion()) noexcept;

/// The dtype of `literal op b`: b's own unless the literal's kind is higher (an integer with bool,
/// a floating one with an integer or bool), then that of the literal alone.
DType promote_weak(WeakKind literal, DType b, Promotion rule = current_promotion()) noexcept;

namespace detail {
template <class T> consteval DType dtype_for() {
  if constexpr (std::same_as<T, bool>)
    return DType::bool_;
  else if constexpr (std::same_as<T, float>)
    return DType::f32;
  else if constexpr (std::same_as<T, double>)
    return DType::f64;
  else if constexpr (std::signed_integral<T>)
    return sizeof(T) == 1   ? DType::i8
           : sizeof(T) == 2 ? DType::i16
           : sizeof(T) == 4 ? DType::i32
                            : DType::i64;
  else
    return sizeof(T) == 1   ? DType::u8
           : sizeof(T) == 2 ? DType::u16
           : sizeof(T) == 4 ? DType::u32
                            : DType::u64;
}
} // namespace detail

/// C++ types that are element types.
template <class T>
concept Element = std::same_as<T, bool> || std::same_as<T, float> || std::same_as<T, double> ||
    (std::integral<T> && sizeof(T) <= 8 && !std::same_as<T, char> && !std::same_as<T, wchar_t> &&
     !std::same_as<T, char8_t> && !std::same_as<T, char16_t> && !std::same_as<T, char32_t>);

/// The DType of a C++ type: `dtype_of<float> == DType::f32`.
template <Element T> inline constexpr DType dtype_of = detail::dtype_for<T>();

} // namespace kroton
