#pragma once
/// Element types, NumPy's promotion between them, and their C++ counterparts.
///
///   promote(DType::i32, DType::f32) == DType::f64     // as NumPy
///   dtype_of<float> == DType::f32
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kroton {

/// Element type of an array. The order is part of the on-disk formats: append only.
enum class DType : std::uint8_t { bool_, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64 };

inline constexpr int dtype_count = 11;

/// "bool", "i8", …, "f64".
std::string_view to_string(DType) noexcept;
/// The inverse of `to_string`; throws TypeError for anything else.
DType parse_dtype(std::string_view);

/// Bytes of one element.
constexpr std::size_t item_size(DType t) noexcept {
  constexpr std::uint8_t sizes[dtype_count] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8};
  return sizes[static_cast<std::size_t>(t)];
}

constexpr bool is_bool(DType t) noexcept { return t == DType::bool_; }
constexpr bool is_float(DType t) noexcept { return t >= DType::f32; }
constexpr bool is_signed_int(DType t) noexcept { return t >= DType::i8 && t <= DType::i64; }
constexpr bool is_unsigned_int(DType t) noexcept { return t >= DType::u8 && t <= DType::u64; }
constexpr bool is_integer(DType t) noexcept { return t >= DType::i8 && t <= DType::u64; }

/// The dtype of `a op b` for two arrays: NumPy's `promote_types`
/// (i32 with f32 is f64, u64 with any signed integer is f64). docs/dtypes.md has the table.
DType promote(DType a, DType b) noexcept;

/// The kind of a C++ literal mixed with an expression: it adapts to the expression's dtype
/// where it can ("weak" promotion), so `0.1f * f64` stays f64 and `2 * f32` stays f32.
enum class WeakKind : std::uint8_t { bool_, integer, floating };

/// The dtype of `literal op b`: b's own unless the literal's kind is higher
/// (an integer with bool gives i64, a floating one with an integer or bool gives f64).
DType promote_weak(WeakKind literal, DType b) noexcept;

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
