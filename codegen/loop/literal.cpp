#include "codegen/loop/literal.hpp"

#include <bit>
#include <cmath>

#include "lib/support/error.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::codegen {
namespace {

/// The shortest decimal text that reads back as the same value, with a point or exponent.
template <class F> std::string finite(F value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

std::string infinity(const DTypeRow& row, bool is_negative) {
  return fmt::format("{}infinity_{}()", is_negative ? "-" : "", row.name);
}

} // namespace

std::string literal(DType dtype, std::uint64_t bits) {
  const DTypeRow& row = row_of(dtype);
  const auto spelled = [&](auto number) { return fmt::format(fmt::runtime(row.literal), number); };
  switch (row.kind) {
  case DTypeKind::boolean:
    return bits ? "true" : "false";
  case DTypeKind::unsigned_integer:
    return spelled(bits);
  case DTypeKind::signed_integer: {
    const int unused = 64 - row.size * 8;
    const std::int64_t v = static_cast<std::int64_t>(bits << unused) >> unused;
    // The text of the smallest would be the negative of a number that is too large.
    if (v == INT64_MIN) return "(-9223372036854775807l - 1)";
    if (v == INT32_MIN && row.size == 4) return "(-2147483647 - 1)";
    return spelled(v);
  }
  case DTypeKind::floating:
    break;
  }
  return support::visit_float(dtype, [&]<class T>(std::type_identity<T>) {
    const T v = support::from_bits<T>(bits);
    if (std::isnan(v))
      return fmt::format("from_bits_{}(0x{:0{}x}u{})", row.name, bits, 2 * row.size,
                         row.size == 8 ? "l" : "");
    if (std::isinf(v)) return infinity(row, v < 0);
    return spelled(finite(v));
  });
}

std::string from_argument(DType dtype, std::string_view name) {
  const DTypeRow& row = row_of(dtype);
  if (row.kind == DTypeKind::floating)
    return fmt::format("from_bits_{}((u{}){})", row.name, 8 * row.size, name);
  return fmt::format("({}){}", row.name, name);
}

std::string limit(DType dtype, ir::Identity identity) {
  switch (identity) {
  case ir::Identity::zero:
    return literal(dtype, 0);
  case ir::Identity::one:
    return literal(dtype, dtype == DType::f32   ? std::bit_cast<std::uint32_t>(1.0F)
                          : dtype == DType::f64 ? std::bit_cast<std::uint64_t>(1.0)
                                                : 1);
  case ir::Identity::lowest:
  case ir::Identity::highest:
    break;
  }
  const bool low = identity == ir::Identity::lowest;
  const DTypeRow& row = row_of(dtype);
  const std::uint64_t top = std::uint64_t{1} << (row.digits - 1); // the highest bit of a magnitude
  switch (row.kind) {
  case DTypeKind::boolean:
    return low ? "false" : "true";
  case DTypeKind::unsigned_integer:
    return literal(dtype, low ? 0 : top + (top - 1));
  case DTypeKind::signed_integer:
    return literal(dtype, low ? 2 * top : top + (top - 1));
  case DTypeKind::floating:
    break;
  }
  return infinity(row, low);
}

} // namespace kroton::codegen
