#pragma once
/// Constants as C++ text that reads back bit for bit.
///
///   literal(DType::f32, bits_of(0.1f))   // "0.1f"
#include <cstdint>
#include <string>
#include <string_view>

#include <kroton/dtype.hpp>

namespace kroton::codegen {

/// The value whose bits (in the low bytes) are `bits`.
std::string literal(DType dtype, std::uint64_t bits);
/// The value whose bits the low bytes of an i64 called `name` are.
std::string from_argument(DType dtype, std::string_view name);
/// 0, the lowest, or the highest value of a dtype (infinities for floats); `name` is "zero",
/// "lowest" or "highest".
std::string limit(DType dtype, std::string_view name);

} // namespace kroton::codegen
