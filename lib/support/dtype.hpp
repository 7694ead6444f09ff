#pragma once
/// What follows from the rows of dtypes: which holds which, and the numbers behind bits.
///
///   holds_all(DType::f64, DType::i32);   // true: every i32 is an f64
#include <kroton/dtype.hpp>

namespace kroton::support {

/// True if every value of `from` is a value of `to`. Of floats: NaN, infinities and denormal
/// numbers included.
constexpr bool holds_all(const DTypeRow& to, const DTypeRow& from) noexcept {
  const bool is_from_float = from.kind == DTypeKind::floating;
  switch (to.kind) {
  case DTypeKind::boolean:
    return from.kind == DTypeKind::boolean;
  case DTypeKind::unsigned_integer:
    return !is_from_float && from.kind != DTypeKind::signed_integer && to.digits >= from.digits;
  case DTypeKind::signed_integer:
    return !is_from_float && to.digits >= from.digits;
  case DTypeKind::floating:
    break;
  }
  if (!is_from_float) // the integer furthest from 0 is -2^digits, or below 2^digits
    return to.digits >= from.digits && to.max_exponent > from.digits;
  // The last place of the smallest denormal number is 2^(min_exponent - digits).
  return to.digits >= from.digits && to.max_exponent >= from.max_exponent &&
         to.min_exponent - to.digits <= from.min_exponent - from.digits;
}
constexpr bool holds_all(DType to, DType from) noexcept {
  return holds_all(row_of(to), row_of(from));
}

} // namespace kroton::support
