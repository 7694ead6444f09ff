#include "codegen/literal.hpp"

#include <cmath>
#include <cstring>

#include "lib/support/error.hpp"

namespace kroton::codegen {
namespace {

/// The shortest decimal text that reads back as the same value, with a point or exponent.
template <class F> std::string finite(F value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

} // namespace

std::string literal(DType dtype, std::uint64_t bits) {
  if (dtype == DType::f32) {
    float v = 0;
    std::memcpy(&v, &bits, sizeof v);
    if (std::isnan(v))
      return fmt::format("from_bits_f32(0x{:08x}u)", static_cast<std::uint32_t>(bits));
    if (std::isinf(v)) return v > 0 ? "infinity_f32()" : "-infinity_f32()";
    return finite(v) + "f";
  }
  if (dtype == DType::f64) {
    double v = 0;
    std::memcpy(&v, &bits, sizeof v);
    if (std::isnan(v)) return fmt::format("from_bits_f64(0x{:016x}ul)", bits);
    if (std::isinf(v)) return v > 0 ? "infinity_f64()" : "-infinity_f64()";
    return finite(v);
  }
  if (is_bool(dtype)) return bits ? "true" : "false";
  if (is_unsigned_int(dtype))
    return fmt::format("({}){}u{}", to_string(dtype), bits, item_size(dtype) == 8 ? "l" : "");
  const int unused = 64 - static_cast<int>(item_size(dtype)) * 8;
  const std::int64_t v = static_cast<std::int64_t>(bits << unused) >> unused;
  if (v == INT64_MIN) return "(-9223372036854775807l - 1)";
  if (dtype == DType::i64) return fmt::format("{}l", v);
  if (v == INT32_MIN) return "(-2147483647 - 1)";
  return dtype == DType::i32 ? fmt::format("{}", v) : fmt::format("({}){}", to_string(dtype), v);
}

std::string from_argument(DType dtype, std::string_view name) {
  if (dtype == DType::f32) return fmt::format("from_bits_f32((u32){})", name);
  if (dtype == DType::f64) return fmt::format("from_bits_f64((u64){})", name);
  return fmt::format("({}){}", to_string(dtype), name);
}

std::string limit(DType dtype, ir::Identity identity) {
  if (identity == ir::Identity::zero) return literal(dtype, 0);
  const bool low = identity == ir::Identity::lowest;
  if (dtype == DType::f32) return low ? "-infinity_f32()" : "infinity_f32()";
  if (dtype == DType::f64) return low ? "-infinity_f64()" : "infinity_f64()";
  if (is_bool(dtype)) return low ? "false" : "true";
  const int width = static_cast<int>(item_size(dtype)) * 8;
  const std::uint64_t all = ~std::uint64_t{0} >> (64 - width);
  if (is_unsigned_int(dtype)) return literal(dtype, low ? 0 : all);
  const std::uint64_t top = std::uint64_t{1} << (width - 1);
  return literal(dtype, low ? top : top - 1);
}

} // namespace kroton::codegen
