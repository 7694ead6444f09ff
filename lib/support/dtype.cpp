#include <kroton/dtype.hpp>

#include <array>

#include "lib/support/error.hpp"

namespace kroton {
namespace {

struct Row {
  std::string_view name;
  std::string_view numpy_name;
};

/// By DType, in its order.
constexpr std::array<Row, dtype_count> rows{{
    {"bool", "bool"},
    {"i8", "int8"},
    {"i16", "int16"},
    {"i32", "int32"},
    {"i64", "int64"},
    {"u8", "uint8"},
    {"u16", "uint16"},
    {"u32", "uint32"},
    {"u64", "uint64"},
    {"f32", "float32"},
    {"f64", "float64"},
}};

constexpr const Row& row(DType t) { return rows[static_cast<std::size_t>(t)]; }

/// The smallest integer or float of `kind` with at least `bytes`; f64 where there is none.
constexpr DType signed_of(int bytes) {
  return bytes == 1   ? DType::i8
         : bytes == 2 ? DType::i16
         : bytes == 4 ? DType::i32
         : bytes == 8 ? DType::i64
                      : DType::f64;
}

} // namespace

std::string_view to_string(DType t) noexcept { return row(t).name; }

DType parse_dtype(std::string_view name) {
  std::string hint;
  for (int i = 0; i < dtype_count; ++i) {
    if (rows[i].name == name) return static_cast<DType>(i);
    if (rows[i].numpy_name == name)
      hint = fmt::format("\"{}\" is spelled \"{}\" here", name, rows[i].name);
  }
  support::fail<TypeError>(
      "parse_dtype", {.hint = hint},
      "\"{}\" is not a dtype; expected bool, i8, i16, i32, i64, u8, u16, u32, u64, f32 or f64",
      name);
}

DType promote(DType a, DType b) noexcept {
  if (a == b || is_bool(b)) return a;
  if (is_bool(a)) return b;
  const int size_a = static_cast<int>(item_size(a)), size_b = static_cast<int>(item_size(b));
  if (is_float(a) || is_float(b)) {
    // f32 holds every integer of up to 16 bits, and nothing wider.
    const bool wide = is_float(a) && is_float(b) ? true : (is_float(a) ? size_b : size_a) > 2;
    return wide || a == DType::f64 || b == DType::f64 ? DType::f64 : DType::f32;
  }
  if (is_signed_int(a) == is_signed_int(b)) return size_a >= size_b ? a : b;
  // One signed, one unsigned: the signed type that holds both, which for u64 is a float.
  const int size_signed = is_signed_int(a) ? size_a : size_b;
  const int size_unsigned = is_signed_int(a) ? size_b : size_a;
  return signed_of(size_signed > size_unsigned ? size_signed : 2 * size_unsigned);
}

DType promote_weak(WeakKind literal, DType b) noexcept {
  switch (literal) {
  case WeakKind::bool_:
    return b;
  case WeakKind::integer:
    return is_bool(b) ? DType::i64 : b;
  case WeakKind::floating:
    return is_float(b) ? b : DType::f64;
  }
  return b;
}

} // namespace kroton
