/// Rounding to whole numbers, limits, and what kind of number a float is.
#include <cmath>
#include <limits>

#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/parts.hpp>
#include <kroton/ops/rounding.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/rounding.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Dtypes;
using ir::GradContext;
using ir::Kind;
using ir::Property;

std::vector<Expr> no_gradient(const GradContext&) { return {Expr(nullptr)}; }

} // namespace

const Op ceil{.name = "ceil",
              .kind = Kind::elementwise,
              .properties = Property::increasing,
              .dtypes = Dtypes::floating,
              .spelling = "ceil_{t}({0})",
              .infer = infer_elementwise,
              .eval_float = [](const auto* v) { return std::ceil(v[0]); },
              .gradient = no_gradient,
              .domain = {{0.1, 0.9, false}},
              .doc = "the smallest whole number not below a"};
const Op round{.name = "round",
               .kind = Kind::elementwise,
               .properties = Property::increasing,
               .dtypes = Dtypes::floating,
               .spelling = "rint_{t}({0})",
               .infer = infer_elementwise,
               .eval_float = [](const auto* v) { return std::rint(v[0]); },
               .gradient = no_gradient,
               .domain = {{0.6, 1.4, false}},
               .doc = "the nearest whole number, ties to the even one"};
const Op trunc{.name = "trunc",
               .kind = Kind::elementwise,
               .properties = Property::increasing,
               .dtypes = Dtypes::floating,
               .spelling = "trunc_{t}({0})",
               .infer = infer_elementwise,
               .eval_float = [](const auto* v) { return std::trunc(v[0]); },
               .gradient = no_gradient,
               .domain = {{0.1, 0.9, false}},
               .doc = "the nearest whole number on the side of 0"};
const Op copysign{
    .name = "copysign",
    .arity = 2,
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .spelling = "copysign_{t}({0}, {1})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::copysign(v[0], v[1]); },
    .gradient =
        [](const GradContext& c) {
          const Expr& x = c.inputs[0];
          return std::vector<Expr>{
              kroton::where(x != 0,
                            c.grad * kroton::copysign(1.0, c.inputs[1]) * kroton::copysign(1.0, x),
                            0),
              Expr(nullptr)};
        },
    .domain = {{0.25, 4}, {0.25, 4, false}},
    .doc = "the magnitude of a with the sign bit of b"};

/// Its quotient, trunc(a / b), is constant but where it jumps.
const Op fmod{
    .name = "fmod",
    .arity = 2,
    .kind = Kind::elementwise,
    .dtypes = Dtypes::floating,
    .cost = 12,
    .spelling = "fmod_{t}({0}, {1})",
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::fmod(v[0], v[1]); },
    .gradient =
        [](const GradContext& c) {
          const Expr& b = c.inputs[1];
          return std::vector<Expr>{c.grad, -(c.grad * kroton::round((c.inputs[0] - c.output) / b))};
        },
    .domain = {{-20, 20, false}, {1, 5, false}},
    .doc = "the remainder of a / b rounded towards 0, with the sign of a; exact"};

std::span<const Op* const> rounding_rows() {
  static constexpr const Op* rows[] = {&ceil, &round, &trunc, &copysign, &fmod};
  return rows;
}

} // namespace ops

Expr ceil(Operand a) { return ops::elementwise(ops::ceil, {&a}); }
Expr round(Operand a) { return ops::elementwise(ops::round, {&a}); }
Expr trunc(Operand a) { return ops::elementwise(ops::trunc, {&a}); }
Expr copysign(Operand a, Operand b) { return ops::elementwise(ops::copysign, {&a, &b}); }
Expr fmod(Operand a, Operand b) {
  const auto is_whole = [](const Operand& o) {
    return o.is_literal() ? o.literal.kind == WeakKind::integer : !is_float(o.expr.dtype());
  };
  if (!is_whole(a) || !is_whole(b)) return ops::elementwise(ops::fmod, {&a, &b});
  // Where Python's remainder, which has b's sign, has not a's, it is b too far.
  const Location where = a.where;
  const Operand rest(mod(a, b), where), zero(0, where);
  const Operand is_negative(rest < zero, where), should_be(a < zero, where);
  const Operand differs(is_negative != should_be, where);
  return kroton::where(Operand(rest != zero, where) && differs, Operand(rest - b, where), rest);
}
// That of divmod has a gradient.
Expr remainder(Operand a, Operand b) { return divmod(std::move(a), std::move(b)).remainder; }
Expr clip(Operand a, Operand low, Operand high) {
  const Location where = a.where;
  return minimum(Operand(maximum(std::move(a), std::move(low)), where), std::move(high));
}
Expr isnan(Operand a) {
  const Operand e(ops::to_expr(a), a.where);
  return e != e;
}
Expr isinf(Operand a) {
  const Operand e(ops::to_expr(a), a.where);
  if (!is_float(e.expr.dtype())) return isnan(e);
  return Operand(abs(e), a.where) == Operand(std::numeric_limits<double>::infinity(), a.where);
}
Expr isfinite(Operand a) {
  const Operand e(ops::to_expr(a), a.where);
  if (!is_float(e.expr.dtype())) return e == e;
  return Operand(abs(e), a.where) < Operand(std::numeric_limits<double>::infinity(), a.where);
}
Expr signbit(Operand a) {
  const Operand e(ops::to_expr(a), a.where), zero(0, a.where);
  if (is_bool(e.expr.dtype())) return isnan(e);
  if (!is_float(e.expr.dtype())) return e < zero;
  return Operand(copysign(Operand(1, a.where), e), a.where) < zero;
}

} // namespace kroton
