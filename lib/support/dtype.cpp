#include "lib/support/dtype.hpp"

#include <ostream>
#include <tuple>
#include <utility>

#include "lib/support/error.hpp"

namespace kroton {

std::ostream& operator<<(std::ostream& out, DType t) { return out << to_string(t); }

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

namespace {

thread_local Promotion rule_of_thread = Promotion::standard;

} // namespace

UsePromotion::UsePromotion(Promotion rule) noexcept
    : before_(std::exchange(rule_of_thread, rule)) {}
UsePromotion::~UsePromotion() { rule_of_thread = before_; }

Promotion current_promotion() noexcept { return rule_of_thread; }

DType promote(DType a, DType b, Promotion rule) noexcept {
  if (rule == Promotion::standard && is_float(a) != is_float(b)) return is_float(a) ? a : b;
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

DType dtype_of_weak(WeakKind literal, Promotion rule) noexcept {
  switch (literal) {
  case WeakKind::bool_:
    return DType::bool_;
  case WeakKind::integer:
    return DType::i64;
  case WeakKind::floating:
    break;
  case WeakKind::f32:
    if (rule == Promotion::standard) return DType::f32;
    break;
  }
  return DType::f64;
}

DType promote_weak(WeakKind literal, DType b, Promotion rule) noexcept {
  const bool is_higher =
      literal >= WeakKind::floating ? !is_float(b) : literal == WeakKind::integer && is_bool(b);
  return is_higher ? dtype_of_weak(literal, rule) : b;
}

} // namespace kroton
