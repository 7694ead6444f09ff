/// Comparison, logic, selection and conversion.
#include <cmath>
#include <limits>
#include <optional>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/range.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Dtypes;
using ir::GradContext;
using ir::InferContext;
using ir::Kind;
using ir::Property;
using ir::Result;
using ir::Type;
using ir::Wide;

Type infer_where(InferContext& c) {
  if (!is_bool(c.in(0).dtype))
    c.fail<TypeError>("compare first, as in where(x > 0, …)", "the condition must be bool, got {}",
                      c.label(0));
  return {c.in(1).dtype, broadcast_shapes(c)};
}

Type infer_cast(InferContext& c) { return {c.params.as<CastParams>().to, c.in(0).shape}; }

Array eval_cast(const ir::EvalContext& c) {
  // Widened floats keep double precision: a cast between float dtypes is then the identity.
  if (is_float(c.declared) && c.dtype == DType::f64) return c.inputs[0].astype(DType::f64);
  return c.inputs[0].astype(c.dtype);
}

/// Of vectors of numbers, comparisons are masks. Those of truth values are compared as bits, but
/// have no order.
ir::Spelling equality(DType in, std::string_view text, std::string_view mask) {
  return {text, is_bool(in) ? text : mask};
}
ir::Spelling ordering(DType in, std::string_view text, std::string_view mask) {
  return {text, is_bool(in) ? "" : mask};
}

std::vector<Expr> no_gradient(const GradContext& c) {
  return std::vector<Expr>(c.inputs.size(), Expr(nullptr));
}

} // namespace

const Op equal{
    .name = "equal",
    .arity = 2,
    .kind = Kind::elementwise,
    .properties = Property::commutative,
    .result = Result::boolean,
    .spell = [](DType in, DType) { return equality(in, "{0} == {1}", "mask_of({0} == {1})"); },
    .infer = infer_elementwise,
    .eval_float = []<class T>(const T* v) { return T(v[0] == v[1]); },
    .eval_int = [](const Wide* v) { return Wide(v[0] == v[1]); },
    .gradient = no_gradient,
    .domain = {{-2, 2, false}},
    .doc = "whether a and b are equal, as numbers",
    .function = "operator=="};
const Op not_equal{
    .name = "not-equal",
    .arity = 2,
    .kind = Kind::elementwise,
    .properties = Property::commutative,
    .result = Result::boolean,
    .spell = [](DType in, DType) { return equality(in, "{0} != {1}", "mask_of({0} != {1})"); },
    .infer = infer_elementwise,
    .eval_float = []<class T>(const T* v) { return T(v[0] != v[1]); },
    .eval_int = [](const Wide* v) { return Wide(v[0] != v[1]); },
    .gradient = no_gradient,
    .domain = {{-2, 2, false}},
    .doc = "whether a and b differ, as numbers",
    .function = "operator!="};
const Op less{
    .name = "less",
    .arity = 2,
    .kind = Kind::elementwise,
    .result = Result::boolean,
    .spell = [](DType in, DType) { return ordering(in, "{0} < {1}", "mask_of({0} < {1})"); },
    .infer = infer_elementwise,
    .eval_float = []<class T>(const T* v) { return T(v[0] < v[1]); },
    .eval_int = [](const Wide* v) { return Wide(v[0] < v[1]); },
    .range = range_at_ends,
    .gradient = no_gradient,
    .domain = {{-2, 2, false}},
    .doc = "whether a is below b, as numbers",
    .function = "operator<"};
const Op less_equal{
    .name = "less-equal",
    .arity = 2,
    .kind = Kind::elementwise,
    .result = Result::boolean,
    .spell = [](DType in, DType) { return ordering(in, "{0} <= {1}", "mask_of({0} <= {1})"); },
    .infer = infer_elementwise,
    .eval_float = []<class T>(const T* v) { return T(v[0] <= v[1]); },
    .eval_int = [](const Wide* v) { return Wide(v[0] <= v[1]); },
    .range = range_at_ends,
    .gradient = no_gradient,
    .domain = {{-2, 2, false}},
    .doc = "whether a is not above b, as numbers; false for NaN",
    .function = "operator<="};
const Op greater{
    .name = "greater",
    .arity = 2,
    .kind = Kind::elementwise,
    .result = Result::boolean,
    .spell = [](DType in, DType) { return ordering(in, "{0} > {1}", "mask_of({0} > {1})"); },
    .infer = infer_elementwise,
    .eval_float = []<class T>(const T* v) { return T(v[0] > v[1]); },
    .eval_int = [](const Wide* v) { return Wide(v[0] > v[1]); },
    .range = range_at_ends,
    .gradient = no_gradient,
    .domain = {{-2, 2, false}},
    .doc = "whether a is above b, as numbers",
    .function = "operator>"};
const Op greater_equal{
    .name = "greater-equal",
    .arity = 2,
    .kind = Kind::elementwise,
    .result = Result::boolean,
    .spell = [](DType in, DType) { return ordering(in, "{0} >= {1}", "mask_of({0} >= {1})"); },
    .infer = infer_elementwise,
    .eval_float = []<class T>(const T* v) { return T(v[0] >= v[1]); },
    .eval_int = [](const Wide* v) { return Wide(v[0] >= v[1]); },
    .range = range_at_ends,
    .gradient = no_gradient,
    .domain = {{-2, 2, false}},
    .doc = "whether a is not below b, as numbers; false for NaN",
    .function = "operator>="};
const Op logical_and{.name = "logical-and",
                     .arity = 2,
                     .kind = Kind::elementwise,
                     .properties = Property::commutative,
                     .dtypes = Dtypes::boolean,
                     .spelling = "{0} & {1}",
                     .infer = infer_elementwise,
                     .eval_int = [](const Wide* v) { return Wide(v[0] != 0 && v[1] != 0); },
                     .range = range_at_ends,
                     .gradient = no_gradient,
                     .domain = {{0, 1, false}},
                     .doc = "whether both hold",
                     .function = "operator&&"};
const Op logical_or{.name = "logical-or",
                    .arity = 2,
                    .kind = Kind::elementwise,
                    .properties = Property::commutative,
                    .dtypes = Dtypes::boolean,
                    .spelling = "{0} | {1}",
                    .infer = infer_elementwise,
                    .eval_int = [](const Wide* v) { return Wide(v[0] != 0 || v[1] != 0); },
                    .range = range_at_ends,
                    .gradient = no_gradient,
                    .domain = {{0, 1, false}},
                    .doc = "whether one of them holds",
                    .function = "operator||"};
const Op logical_not{.name = "logical-not",
                     .kind = Kind::elementwise,
                     .dtypes = Dtypes::boolean,
                     .spelling = "!{0}",
                     .infer = infer_elementwise,
                     .eval_int = [](const Wide* v) { return Wide(v[0] == 0); },
                     .range = range_at_ends,
                     .gradient = no_gradient,
                     .domain = {{0, 1, false}},
                     .doc = "whether a does not hold",
                     .function = "operator!"};

const Op where{.name = "where",
               .arity = 3,
               .kind = Kind::elementwise,
               .spelling = {"{0} ? {1} : {2}", "select({0}, {1}, {2})"},
               .infer = infer_where,
               .eval_float = [](const auto* v) { return v[0] != 0 ? v[1] : v[2]; },
               .eval_int = [](const Wide* v) { return v[0] != 0 ? v[1] : v[2]; },
               .range = range_at_ends,
               .gradient =
                   [](const GradContext& c) {
                     const Expr zero = scalar_constant(c.grad.dtype(), 0, c.where);
                     return std::vector{Expr(nullptr), kroton::where(c.inputs[0], c.grad, zero),
                                        kroton::where(c.inputs[0], zero, c.grad)};
                   },
               .domain = {{0, 1, false}, {}},
               .doc = "a where the condition holds, else b"};

const Op cast{
    .name = "cast",
    .kind = Kind::elementwise,
    .result = Result::cast,
    .spell = [](DType from, DType to) -> ir::Spelling {
      if (is_bool(to)) return "to_bool({0})";
      if (is_float(from) && !is_float(to)) return "to_{o}({0})";
      return {"({o})({0})", "convert<{o}>({0})"};
    },
    .params = &ir::params_type<CastParams>,
    .infer = infer_cast,
    .eval = eval_cast,
    .range = range_of_input,
    .gradient =
        [](const GradContext& c) {
          const DType from = c.inputs[0].dtype();
          return std::vector{is_float(from) && is_float(c.grad.dtype()) ? kroton::cast(c.grad, from)
                                                                        : Expr(nullptr)};
        },
    .domain = {{-100, 100}},
    .doc = "the nearest value of another dtype; floats to integers toward zero, saturating"};

Expr cast_to(const Expr& e, DType dtype, Location where) {
  if (e.dtype() == dtype) return e;
  auto node = ir::make_node(cast, {e}, CastParams{dtype}, where);
  node->is_implied = true;
  return ir::made(std::move(node));
}

} // namespace ops

namespace ops {
namespace {

/// The comparison with its sides exchanged: a < b is b > a.
const Op& flipped(const Op& op) {
  return &op == &less            ? greater
         : &op == &less_equal    ? greater_equal
         : &op == &greater       ? less
         : &op == &greater_equal ? less_equal
                                 : op;
}

/// Of integers of e's dtype and a literal that none of them can be: the same answer for all, as a
/// comparison with the end of the dtype that is towards the literal.
std::optional<Expr> compare_beyond(const Op& op, const Operand& e, const Operand& literal) {
  if (e.is_literal() || !literal.is_literal() || !is_integer(e.expr.dtype()) ||
      literal.literal.kind != WeakKind::integer)
    return std::nullopt;
  const Literal& l = literal.literal;
  const Wide value = l.is_unsigned ? Wide(static_cast<std::uint64_t>(l.integer)) : Wide(l.integer);
  const auto range = support::integers_of(e.expr.dtype());
  if (value >= range.low && value <= range.high) return std::nullopt;
  const bool is_above = value > range.high;
  const bool is_true = &op == &not_equal || (is_above ? &op == &less || &op == &less_equal
                                                      : &op == &greater || &op == &greater_equal);
  const Op& certain =
      is_above ? (is_true ? less_equal : greater) : (is_true ? greater_equal : less);
  const DType dtype = e.expr.dtype();
  const Expr end = constant_of(
      ir::scalar_of(dtype, int_bits(dtype, is_above ? range.high : range.low)), literal.where);
  return ir::make(certain, {e.expr, end}, {}, e.where);
}

/// Of integers with a sign and u64, which no integer dtype holds both of: what is below zero is
/// below all of u64, and the rest is one.
std::optional<Expr> compare_signed_with_u64(const Op& op, const Operand& a, const Operand& b) {
  if (a.is_literal() || b.is_literal() || !is_signed_int(a.expr.dtype()) ||
      b.expr.dtype() != DType::u64)
    return std::nullopt;
  const Operand as_unsigned(cast_to(a.expr, DType::u64, a.where), a.where), zero(0, a.where);
  const Operand compared(elementwise(op, {&as_unsigned, &b}), b.where);
  if (&op == &less || &op == &less_equal || &op == &not_equal) {
    const Operand is_negative(elementwise(less, {&a, &zero}), a.where);
    return elementwise(logical_or, {&is_negative, &compared});
  }
  const Operand is_not_negative(elementwise(greater_equal, {&a, &zero}), a.where);
  return elementwise(logical_and, {&is_not_negative, &compared});
}

/// Integers are compared as the numbers they are, whatever their dtypes.
Expr compare(const Op& op, const Operand& a, const Operand& b) {
  if (auto e = compare_beyond(op, a, b)) return *e;
  if (auto e = compare_beyond(flipped(op), b, a)) return *e;
  if (auto e = compare_signed_with_u64(op, a, b)) return *e;
  if (auto e = compare_signed_with_u64(flipped(op), b, a)) return *e;
  return elementwise(op, {&a, &b});
}

} // namespace
std::span<const Op* const> logic_rows() {
  static constexpr const Op* rows[] = {&equal,       &not_equal,     &less,        &less_equal,
                                       &greater,     &greater_equal, &logical_and, &logical_or,
                                       &logical_not, &where,         &cast};
  return rows;
}

} // namespace ops

Expr operator==(Operand a, Operand b) { return ops::compare(ops::equal, a, b); }
Expr operator!=(Operand a, Operand b) { return ops::compare(ops::not_equal, a, b); }
Expr operator<(Operand a, Operand b) { return ops::compare(ops::less, a, b); }
Expr operator<=(Operand a, Operand b) { return ops::compare(ops::less_equal, a, b); }
Expr operator>(Operand a, Operand b) { return ops::compare(ops::greater, a, b); }
Expr operator>=(Operand a, Operand b) { return ops::compare(ops::greater_equal, a, b); }
Expr operator&&(Operand a, Operand b) { return ops::elementwise(ops::logical_and, {&a, &b}); }
Expr operator||(Operand a, Operand b) { return ops::elementwise(ops::logical_or, {&a, &b}); }
Expr operator!(Operand a) { return ops::elementwise(ops::logical_not, {&a}); }
Expr where(Operand condition, Operand a, Operand b) {
  return ops::elementwise(ops::where, {&condition, &a, &b});
}
Expr cast(Operand a, DType dtype) {
  const Expr e = ops::to_expr(a);
  return e.dtype() == dtype ? e : ir::make(ops::cast, {e}, ops::CastParams{dtype}, a.where);
}

} // namespace kroton
