#pragma once
/// Constants as C++ text that reads back bit for bit.
///
///   literal(DType::f32, bits_of(0.1f))   // "0.1f"
#include <cstdint>
#include <string>

#include <kroton/dtype.hpp>

namespace kroton::codegen {

/// The value whose bits (in the low bytes) are `bits`.
std::string literal(DType dtype, std::uint64_t bits);
/// 0, the lowest, or the highest value of a dtype (infinities for floats); `name` is "zero",
/// "lowest" or "highest".
std::string limit(DType dtype, std::string_view name);

} // namespace kroton::codegen
