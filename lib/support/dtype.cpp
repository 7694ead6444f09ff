#include "lib/support/dtype.hpp"

#include <tuple>

#include "lib/support/error.hpp"

namespace kroton {

DType parse_dtype(std::string_view name) {
  std::string hint, known;
  for (const DTypeRow& row : dtype_rows) {
    if (row.name == name) return row.dtype;
    if (row.numpy_name == name) hint = fmt::format("\"{}\" is spelled \"{}\" here", name, row.name);
    known += fmt::format("{}{}",
                         known.empty()                      ? ""
                         : &row == std::end(dtype_rows) - 1 ? " or "
                                                            : ", ",
                         row.name);
  }
  support::fail<TypeError>("parse_dtype", {.hint = hint}, "\"{}\" is not a dtype; expected {}",
                           name, known);
}

DType promote(DType a, DType b) noexcept {
  // The smallest dtype that holds both, an integer one if neither is a float; f64 if there is none.
  const auto cost = [](const DTypeRow& r) {
    return std::tuple(r.kind == DTypeKind::floating, r.size);
  };
  const bool has_float = is_float(a) || is_float(b);
  const DTypeRow* best = &row_of(DType::f64);
  for (const DTypeRow& row : dtype_rows)
    if (support::holds_all(row, row_of(a)) && support::holds_all(row, row_of(b)) &&
        (!has_float || row.kind == DTypeKind::floating) && cost(row) < cost(*best))
      best = &row;
  return best->dtype;
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
