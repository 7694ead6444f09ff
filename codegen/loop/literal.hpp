#pragma once
/// Constants as C++ text that reads back bit for bit.
///
///   literal(DType::f32, bits_of(0.1f))   // "0.1f"
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/ir/op.hpp"

namespace kroton::codegen {

/// The value whose bits (in the low bytes) are `bits`.
std::string literal(DType dtype, std::uint64_t bits);
/// The value whose bits the low bytes of an i64 called `name` are.
std::string from_argument(DType dtype, std::string_view name);
/// The value of a dtype that a fold starts from.
std::string limit(DType dtype, ir::Identity identity);

} // namespace kroton::codegen
