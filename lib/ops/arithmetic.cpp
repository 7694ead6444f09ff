/// Arithmetic on numbers: one row and one public function each.
#include <cmath>
#include <limits>

#include <kroton/ops/arithmetic.hpp>

#include "lib/ops/arithmetic.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/range.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Dtypes;
using ir::GradContext;
using ir::Kind;
using ir::Property;
using ir::Wide;

Wide floor_div_wide(const Wide* v) {
  if (v[1] == 0) return 0;
  const Wide q = v[0] / v[1];
  return (v[0] % v[1] != 0 && (v[0] < 0) != (v[1] < 0)) ? q - 1 : q;
}

/// Wraps like the machine: only the low 64 bits of the product matter.
Wide pow_wide(const Wide* v) {
  if (v[1] < 0) return v[0] == 1 ? 1 : v[0] == -1 ? (v[1] % 2 == 0 ? 1 : -1) : 0;
  std::uint64_t result = 1, base = static_cast<std::uint64_t>(v[0]);
  for (auto e = static_cast<std::uint64_t>(v[1]); e != 0; e >>= 1, base *= base)
    if (e & 1) result *= base;
  return static_cast<Wide>(result);
}

/// Python's //, and the % that it is made with. Where the quotient is so large that its last digit
/// is not exact, it is the whole number near (a - a % b) / b.
constexpr auto floor_div_float = []<class T>(const T* v) -> T {
  if (v[1] == 0) return v[0] / v[1];
  const T r = std::fmod(v[0], v[1]);
  T q = (v[0] - r) / v[1];
  if (r != 0 && (r < 0) != (v[1] < 0)) q -= 1;
  if (q == 0) return std::copysign(T(0), v[0] / v[1]);
  const T whole = std::floor(q);
  return q - whole > T(0.5) ? whole + 1 : whole;
};
constexpr auto mod_float = []<class T>(const T* v) -> T {
  if (v[1] == 0) return std::nan("");
  const T r = std::fmod(v[0], v[1]);
  if (r == 0) return std::copysign(T(0), v[1]);
  return (r < 0) != (v[1] < 0) ? r + v[1] : r;
};

constexpr auto minimum_float = []<class T>(const T* v) -> T {
  if (std::isnan(v[0]) || std::isnan(v[1])) return std::nan("");
  if (v[0] == v[1]) return std::signbit(v[0]) ? v[0] : v[1];
  return v[0] < v[1] ? v[0] : v[1];
};
constexpr auto maximum_float = []<class T>(const T* v) -> T {
  if (std::isnan(v[0]) || std::isnan(v[1])) return std::nan("");
  if (v[0] == v[1]) return std::signbit(v[0]) ? v[1] : v[0];
  return v[0] > v[1] ? v[0] : v[1];
};

/// Truth values have no order as vectors.
ir::Spelling extremum(DType t, std::string_view of_floats, std::string_view of_others) {
  if (is_float(t)) return {of_floats, of_floats};
  return {of_others, is_bool(t) ? "" : of_others};
}

/// Half the gradient to each side of a tie, as the subgradient that treats both alike.
std::vector<Expr> grad_extremum(const GradContext& c, const Expr& first_wins,
                                const Expr& second_wins) {
  const Expr shared = kroton::where(c.inputs[0] == c.inputs[1], 0.5 * c.grad, c.grad);
  return {kroton::where(first_wins, shared, 0), kroton::where(second_wins, shared, 0)};
}

/// g * factor; a factor made of a condition chooses.
Expr scaled(const Expr& g, const Expr& factor) {
  const ir::Node& n = *factor.node();
  if (n.op == &cast && is_bool(n.inputs[0].dtype())) return kroton::where(n.inputs[0], g, 0);
  return g * factor;
}

} // namespace

const Op add{.name = "add",
             .arity = 2,
             .kind = Kind::elementwise,
             .properties = Property::commutative,
             .dtypes = Dtypes::numeric,
             .spelling = "{0} + {1}",
             .infer = infer_elementwise,
             .eval_float = [](const auto* v) { return v[0] + v[1]; },
             .eval_int = [](const Wide* v) { return v[0] + v[1]; },
             .range = range_at_ends,
             .gradient =
                 [](const GradContext& c) {
                   return std::vector{c.grad, c.grad};
                 },
             .domain = {{}},
             .doc = "a + b",
             .function = "operator+"};

const Op sub{.name = "sub",
             .arity = 2,
             .kind = Kind::elementwise,
             .dtypes = Dtypes::numeric,
             .spelling = "{0} - {1}",
             .infer = infer_elementwise,
             .eval_float = [](const auto* v) { return v[0] - v[1]; },
             .eval_int = [](const Wide* v) { return v[0] - v[1]; },
             .range = range_at_ends,
             .gradient =
                 [](const GradContext& c) {
                   return std::vector{c.grad, -c.grad};
                 },
             .domain = {{}},
             .doc = "a - b",
             .function = "operator-"};

const Op mul{.name = "mul",
             .arity = 2,
             .kind = Kind::elementwise,
             .properties = Property::commutative,
             .dtypes = Dtypes::numeric,
             .spelling = "{0} * {1}",
             .infer = infer_elementwise,
             .eval_float = [](const auto* v) { return v[0] * v[1]; },
             .eval_int = [](const Wide* v) { return v[0] * v[1]; },
             .range = range_at_ends,
             .gradient =
                 [](const GradContext& c) {
                   return std::vector{scaled(c.grad, c.inputs[1]), scaled(c.grad, c.inputs[0])};
                 },
             .domain = {{}},
             .doc = "a b",
             .function = "operator*"};

const Op div{.name = "div",
             .arity = 2,
             .kind = Kind::elementwise,
             .dtypes = Dtypes::floating,
             .cost = 3,
             .spelling = {"{0} / {1}", "{0} / {1}", "divided({0}, {1})"},
             .infer = infer_elementwise,
             .eval_float = [](const auto* v) { return v[0] / v[1]; },
             .gradient =
                 [](const GradContext& c) {
                   const Expr to_first = c.grad / c.inputs[1];
                   return std::vector{to_first, -(to_first * c.output)};
                 },
             .domain = {{}, {0.5, 4}},
             .doc = "a / b; integers give f64",
             .function = "operator/"};

const Op floor_div{.name = "floor-div",
                   .arity = 2,
                   .kind = Kind::elementwise,
                   .dtypes = Dtypes::numeric,
                   .cost = 4,
                   .spelling = "floor_div_{t}({0}, {1})",
                   .infer = infer_elementwise,
                   .eval_float = floor_div_float,
                   .eval_int = floor_div_wide,
                   .range = range_of_floor_div,
                   .domain = {{-20, 20, false}, {1, 5, false}},
                   .accuracy = {.f64 = 2.0},
                   .doc = "the quotient rounded down; of integers, 0 where b is 0"};

const Op mod{
    .name = "mod",
    .arity = 2,
    .kind = Kind::elementwise,
    .dtypes = Dtypes::numeric,
    .cost = 4,
    .spelling = "mod_{t}({0}, {1})",
    .infer = infer_elementwise,
    .eval_float = mod_float,
    .eval_int = [](const Wide* v) { return v[1] == 0 ? Wide(0) : v[0] - v[1] * floor_div_wide(v); },
    .range = range_of_mod,
    .domain = {{-20, 20, false}, {1, 5, false}},
    .doc = "the remainder of floor_div, with the sign of b; of integers, 0 where b is 0"};

const Op neg{.name = "neg",
             .kind = Kind::elementwise,
             .dtypes = Dtypes::numeric,
             .spelling = "-{0}",
             .infer = infer_elementwise,
             .eval_float = [](const auto* v) { return -v[0]; },
             .eval_int = [](const Wide* v) { return -v[0]; },
             .range = range_at_ends,
             .gradient = [](const GradContext& c) { return std::vector{-c.grad}; },
             .domain = {{}},
             .doc = "-a",
             .function = "operator-"};

const Op abs{.name = "abs",
             .kind = Kind::elementwise,
             .dtypes = Dtypes::numeric,
             .spell = [](DType t, DType) -> ir::Spelling {
               return is_float(t) ? "abs_{t}({0})" : "{0} < 0 ? -{0} : {0}";
             },
             .infer = infer_elementwise,
             .eval_float = [](const auto* v) { return std::fabs(v[0]); },
             .eval_int = [](const Wide* v) { return v[0] < 0 ? -v[0] : v[0]; },
             .range = range_of_abs,
             .gradient =
                 [](const GradContext& c) {
                   const Expr& x = c.inputs[0];
                   return std::vector{kroton::where(x != 0, c.grad * kroton::sign(x), 0)};
                 },
             .domain = {{0.25, 4}},
             .doc = "the absolute value"};

const Op sign{
    .name = "sign",
    .kind = Kind::elementwise,
    .properties = Property::increasing,
    .dtypes = Dtypes::numeric,
    .cost = 2,
    .spell = [](DType t, DType) -> ir::Spelling {
      if (is_float(t)) return "sign_{t}({0})";
      return {"({0} > 0) - ({0} < 0)", ""};
    },
    .infer = infer_elementwise,
    .eval_float = []<class T>(const T* v) { return v[0] > 0   ? T(1)
                                                   : v[0] < 0 ? T(-1)
                                                              : v[0]; },
    .eval_int = [](const Wide* v) { return Wide((v[0] > 0) - (v[0] < 0)); },
    .range = range_at_ends,
    .gradient = [](const GradContext&) { return std::vector{Expr(nullptr)}; },
    .domain = {{0.25, 4, false}},
    .doc = "-1, 0 or 1; NaN stays NaN"};

const Op floor{.name = "floor",
               .kind = Kind::elementwise,
               .properties = Property::increasing,
               .dtypes = Dtypes::floating,
               .spelling = "floor_{t}({0})",
               .infer = infer_elementwise,
               .eval_float = [](const auto* v) { return std::floor(v[0]); },
               .gradient = [](const GradContext&) { return std::vector{Expr(nullptr)}; },
               .domain = {{0.1, 0.9, false}},
               .doc = "the largest whole number not above a"};

const Op pow{
    .name = "pow",
    .arity = 2,
    .kind = Kind::elementwise,
    .dtypes = Dtypes::numeric,
    .cost = 20,
    .spell = [](DType t, DType) -> ir::Spelling {
      return is_float(t) ? "pow_{t}({0}, {1})" : "ipow_{t}({0}, {1})";
    },
    .infer = infer_elementwise,
    .eval_float = [](const auto* v) { return std::pow(v[0], v[1]); },
    .eval_int = pow_wide,
    .gradient =
        [](const GradContext& c) {
          // x^0 is 1 for every x, and 0^y is 0 for every y > 0: neither grows, though x^-1
          // and log(x) are infinite at 0.
          const Expr &x = c.inputs[0], &y = c.inputs[1];
          return std::vector{
              kroton::where(y != 0, c.grad * y * kroton::pow(x, y - 1), 0),
              kroton::where(x == 0 && y >= 0, 0, c.grad * c.output * kroton::log(x))};
        },
    .domain = {{0.25, 3}, {0, 3}},
    .accuracy = {.f32 = 0.75,
                 .f64 = 1.25,
                 .method = "f32 in f64 arithmetic; f64 with the logarithm in two parts"},
    .doc = "a to the power b, as C has it; of integers, 0 for a negative b unless a is 1 or -1"};

const Op minimum{
    .name = "minimum",
    .arity = 2,
    .kind = Kind::elementwise,
    .properties = Property::commutative,
    .dtypes = Dtypes::any,
    .cost = 2,
    .spell = [](DType t,
                DType) { return extremum(t, "minimum_{t}({0}, {1})", "{0} < {1} ? {0} : {1}"); },
    .infer = infer_elementwise,
    .eval_float = minimum_float,
    .eval_int = [](const Wide* v) { return v[0] < v[1] ? v[0] : v[1]; },
    .range = range_at_ends,
    .gradient =
        [](const GradContext& c) {
          return grad_extremum(c, c.inputs[0] <= c.inputs[1], c.inputs[1] <= c.inputs[0]);
        },
    .domain = {{}},
    .doc = "the smaller; NaN if either is NaN"};

const Op maximum{
    .name = "maximum",
    .arity = 2,
    .kind = Kind::elementwise,
    .properties = Property::commutative,
    .dtypes = Dtypes::any,
    .cost = 2,
    .spell = [](DType t,
                DType) { return extremum(t, "maximum_{t}({0}, {1})", "{0} > {1} ? {0} : {1}"); },
    .infer = infer_elementwise,
    .eval_float = maximum_float,
    .eval_int = [](const Wide* v) { return v[0] > v[1] ? v[0] : v[1]; },
    .range = range_at_ends,
    .gradient =
        [](const GradContext& c) {
          return grad_extremum(c, c.inputs[0] >= c.inputs[1], c.inputs[1] >= c.inputs[0]);
        },
    .domain = {{}},
    .doc = "the larger; NaN if either is NaN"};

std::span<const Op* const> arithmetic_rows() {
  static constexpr const Op* rows[] = {&add, &sub,  &mul,   &div, &floor_div, &mod,    &neg,
                                       &abs, &sign, &floor, &pow, &minimum,   &maximum};
  return rows;
}

} // namespace ops

Expr operator+(Operand a, Operand b) { return ops::elementwise(ops::add, {&a, &b}); }
Expr operator-(Operand a, Operand b) { return ops::elementwise(ops::sub, {&a, &b}); }
Expr operator*(Operand a, Operand b) { return ops::elementwise(ops::mul, {&a, &b}); }
Expr operator/(Operand a, Operand b) { return ops::elementwise(ops::div, {&a, &b}); }
Expr operator-(Operand a) { return ops::elementwise(ops::neg, {&a}); }
Expr& operator+=(Expr& a, Operand b) { return a = Operand(a, b.where) + std::move(b); }
Expr& operator-=(Expr& a, Operand b) { return a = Operand(a, b.where) - std::move(b); }
Expr& operator*=(Expr& a, Operand b) { return a = Operand(a, b.where) * std::move(b); }
Expr& operator/=(Expr& a, Operand b) { return a = Operand(a, b.where) / std::move(b); }
Expr neg(Operand a) { return ops::elementwise(ops::neg, {&a}); }
Expr floor_div(Operand a, Operand b) { return ops::elementwise(ops::floor_div, {&a, &b}); }
Expr mod(Operand a, Operand b) { return ops::elementwise(ops::mod, {&a, &b}); }
Expr abs(Operand a) { return ops::elementwise(ops::abs, {&a}); }
Expr sign(Operand a) { return ops::elementwise(ops::sign, {&a}); }
Expr floor(Operand a) { return ops::elementwise(ops::floor, {&a}); }
Expr pow(Operand a, Operand b) { return ops::elementwise(ops::pow, {&a, &b}); }
Expr minimum(Operand a, Operand b) { return ops::elementwise(ops::minimum, {&a, &b}); }
Expr maximum(Operand a, Operand b) { return ops::elementwise(ops::maximum, {&a, &b}); }

} // namespace kroton
