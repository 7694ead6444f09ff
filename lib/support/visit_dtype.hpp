#pragma once
/// From a dtype known at run time to a C++ type.
#include <cstring>
#include <tuple>
#include <type_traits>

#include <kroton/dtype.hpp>

#include "lib/support/error.hpp"

namespace kroton::support {

namespace detail {
/// The C++ type of each dtype, in the order of their numbers.
using ElementTypes =
    std::tuple<bool, std::int8_t, std::int16_t, std::int32_t, std::int64_t, std::uint8_t,
               std::uint16_t, std::uint32_t, std::uint64_t, float, double>;
static_assert(std::tuple_size_v<ElementTypes> == dtype_count, "each dtype has a C++ type");

template <DType t, class F> decltype(auto) visit_as(F&& f) {
  using T = std::tuple_element_t<static_cast<std::size_t>(t), ElementTypes>;
  static_assert(sizeof(T) == item_size(t));
  return f(std::type_identity<T>{});
}
} // namespace detail

/// Calls `f(std::type_identity<T>{})` with the C++ type of `dtype`.
template <class F> decltype(auto) visit_dtype(DType dtype, F&& f) {
  static_assert(dtype_count == 11, "each dtype has a case below");
  switch (dtype) {
  case DType::bool_:
    return detail::visit_as<DType::bool_>(f);
  case DType::i8:
    return detail::visit_as<DType::i8>(f);
  case DType::i16:
    return detail::visit_as<DType::i16>(f);
  case DType::i32:
    return detail::visit_as<DType::i32>(f);
  case DType::i64:
    return detail::visit_as<DType::i64>(f);
  case DType::u8:
    return detail::visit_as<DType::u8>(f);
  case DType::u16:
    return detail::visit_as<DType::u16>(f);
  case DType::u32:
    return detail::visit_as<DType::u32>(f);
  case DType::u64:
    return detail::visit_as<DType::u64>(f);
  case DType::f32:
    return detail::visit_as<DType::f32>(f);
  case DType::f64:
    break;
  }
  return detail::visit_as<DType::f64>(f);
}

/// Calls `f(std::type_identity<T>{})` with the C++ type of a dtype of floats. Throws InternalError
/// for another.
template <class F> decltype(auto) visit_float(DType dtype, F&& f) {
  static_assert(
      [] {
        int floats = 0;
        for (const DTypeRow& row : dtype_rows) floats += row.kind == DTypeKind::floating;
        return floats == 2;
      }(),
      "each dtype of floats has a line below");
  if (dtype == DType::f32) return detail::visit_as<DType::f32>(f);
  KROTON_CHECK(dtype == DType::f64, "{} is no dtype of floats", to_string(dtype));
  return detail::visit_as<DType::f64>(f);
}

/// The float behind the lowest bits of `bits`.
template <class T> T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
template <class T> std::uint64_t to_bits(T value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

} // namespace kroton::support
