#pragma once
/// From a dtype known at run time to a C++ type.
#include <type_traits>

#include <kroton/dtype.hpp>

namespace kroton::support {

/// Calls `f(std::type_identity<T>{})` with the C++ type of `dtype`.
template <class F> decltype(auto) visit_dtype(DType dtype, F&& f) {
  switch (dtype) {
  case DType::bool_:
    return f(std::type_identity<bool>{});
  case DType::i8:
    return f(std::type_identity<std::int8_t>{});
  case DType::i16:
    return f(std::type_identity<std::int16_t>{});
  case DType::i32:
    return f(std::type_identity<std::int32_t>{});
  case DType::i64:
    return f(std::type_identity<std::int64_t>{});
  case DType::u8:
    return f(std::type_identity<std::uint8_t>{});
  case DType::u16:
    return f(std::type_identity<std::uint16_t>{});
  case DType::u32:
    return f(std::type_identity<std::uint32_t>{});
  case DType::u64:
    return f(std::type_identity<std::uint64_t>{});
  case DType::f32:
    return f(std::type_identity<float>{});
  case DType::f64:
    break;
  }
  return f(std::type_identity<double>{});
}

} // namespace kroton::support
