/// Bits of integers.
#include <algorithm>
#include <bit>

#include <kroton/ops/bits.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/bits.hpp"
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
using support::Interval;

std::vector<Expr> no_gradient(const GradContext& c) {
  return std::vector<Expr>(c.inputs.size(), Expr(nullptr));
}

/// The smallest [-2^n, 2^n - 1] that holds an interval, without its negative half if the interval
/// has none: bits of such numbers make no others.
Interval whole_bits(Interval i) {
  Wide end = 1;
  while (end <= i.high || -end > i.low) end *= 2;
  return {i.low < 0 ? -end : 0, end - 1};
}
Interval range_of_bits(const ir::Op&, const Interval* inputs) {
  return whole_bits(support::hull(inputs[0], inputs[1]));
}
/// What is not negative leaves no more bits than it has.
Interval range_of_and(const ir::Op& op, const Interval* inputs) {
  if (inputs[0].low < 0 && inputs[1].low < 0) return range_of_bits(op, inputs);
  if (inputs[0].low < 0) return {0, inputs[1].high};
  if (inputs[1].low < 0) return {0, inputs[0].high};
  return {0, std::min(inputs[0].high, inputs[1].high)};
}
Interval range_of_shift_right(const ir::Op&, const Interval* inputs) {
  return {std::min<Wide>(inputs[0].low, 0), std::max<Wide>(inputs[0].high, -1)};
}

constexpr bool moves_all(Wide places) { return places < 0 || places >= 64; }

/// Of bool no bits can be moved: as i8.
Expr shifted(const Op& op, const Operand& a, const Operand& b) {
  const auto as_integer = [](const Operand& o) {
    return !o.is_literal() && is_bool(o.expr.dtype())
               ? Operand(cast_to(o.expr, DType::i8, o.where), o.where)
               : o;
  };
  const Operand value = as_integer(a), places = as_integer(b);
  return elementwise(op, {&value, &places});
}

} // namespace

const Op bit_and{.name = "bit-and",
                 .arity = 2,
                 .kind = Kind::elementwise,
                 .properties = Property::commutative,
                 .dtypes = Dtypes::integral,
                 .spelling = "{0} & {1}",
                 .infer = infer_elementwise,
                 .eval_int = [](const Wide* v) { return v[0] & v[1]; },
                 .range = range_of_and,
                 .gradient = no_gradient,
                 .domain = {{-100, 100, false}},
                 .doc = "the bits that both have"};
const Op bit_or{.name = "bit-or",
                .arity = 2,
                .kind = Kind::elementwise,
                .properties = Property::commutative,
                .dtypes = Dtypes::integral,
                .spelling = "{0} | {1}",
                .infer = infer_elementwise,
                .eval_int = [](const Wide* v) { return v[0] | v[1]; },
                .range = range_of_bits,
                .gradient = no_gradient,
                .domain = {{-100, 100, false}},
                .doc = "the bits that one of them has"};
const Op bit_xor{.name = "bit-xor",
                 .arity = 2,
                 .kind = Kind::elementwise,
                 .properties = Property::commutative,
                 .dtypes = Dtypes::integral,
                 .spelling = "{0} ^ {1}",
                 .infer = infer_elementwise,
                 .eval_int = [](const Wide* v) { return v[0] ^ v[1]; },
                 .range = range_of_bits,
                 .gradient = no_gradient,
                 .domain = {{-100, 100, false}},
                 .doc = "the bits in which they differ"};
const Op shift_left{.name = "shift-left",
                    .arity = 2,
                    .kind = Kind::elementwise,
                    .dtypes = Dtypes::integral,
                    .cost = 3,
                    .spell = [](DType t, DType) -> ir::Spelling {
                      return is_bool(t) ? "{0} | ({0} & {1})" : "shift_left_of<{t}>({0}, {1})";
                    },
                    .infer = infer_elementwise,
                    .eval_int =
                        [](const Wide* v) {
                          return moves_all(v[1]) ? Wide(0)
                                                 : Wide(static_cast<std::uint64_t>(v[0])
                                                        << static_cast<unsigned>(v[1]));
                        },
                    .gradient = no_gradient,
                    .domain = {{-100, 100, false}, {0, 10, false}},
                    .doc = "the bits of a moved b places up"};
const Op shift_right{
    .name = "shift-right",
    .arity = 2,
    .kind = Kind::elementwise,
    .dtypes = Dtypes::integral,
    .cost = 3,
    .spell = [](DType t, DType) -> ir::Spelling {
      return is_bool(t) ? "{0} & !{1}" : "shift_right_of<{t}>({0}, {1})";
    },
    .infer = infer_elementwise,
    .eval_int =
        [](const Wide* v) { return v[0] >> (moves_all(v[1]) ? 64 : static_cast<int>(v[1])); },
    .range = range_of_shift_right,
    .gradient = no_gradient,
    .domain = {{-100, 100, false}, {0, 10, false}},
    .doc = "the bits of a moved b places down, the sign moving in"};
const Op popcount{.name = "popcount",
                  .kind = Kind::elementwise,
                  .dtypes = Dtypes::integral,
                  .cost = 10,
                  .spell = [](DType t, DType) -> ir::Spelling {
                    return is_bool(t) ? "{0}" : "popcount_of<{t}>({0})";
                  },
                  .infer = infer_elementwise,
                  .eval_int =
                      [](const Wide* v) {
                        const Wide size = v[0] < 0 ? -v[0] : v[0];
                        return Wide(std::popcount(static_cast<std::uint64_t>(size)));
                      },
                  .range =
                      [](const Op&, const Interval*) {
                        return Interval{0, 64};
                      },
                  .gradient = no_gradient,
                  .domain = {{-100, 100, false}},
                  .doc = "how many bits of the absolute value are set"};

std::span<const Op* const> bits_rows() {
  static constexpr const Op* rows[] = {&bit_and,    &bit_or,      &bit_xor,
                                       &shift_left, &shift_right, &popcount};
  return rows;
}

} // namespace ops

Expr bit_and(Operand a, Operand b) { return ops::elementwise(ops::bit_and, {&a, &b}); }
Expr bit_or(Operand a, Operand b) { return ops::elementwise(ops::bit_or, {&a, &b}); }
Expr bit_xor(Operand a, Operand b) { return ops::elementwise(ops::bit_xor, {&a, &b}); }
Expr bit_not(Operand a) {
  const Operand e(ops::to_expr(a), a.where);
  if (is_bool(e.expr.dtype())) return !e;
  if (is_float(e.expr.dtype()))
    return ops::elementwise(ops::bit_xor, {&e, &e}); // says what it takes
  return e ^ Operand(ops::integer_constant(e.expr.dtype(), -1, a.where), a.where);
}
Expr operator&(Operand a, Operand b) { return ops::elementwise(ops::bit_and, {&a, &b}); }
Expr operator|(Operand a, Operand b) { return ops::elementwise(ops::bit_or, {&a, &b}); }
Expr operator^(Operand a, Operand b) { return ops::elementwise(ops::bit_xor, {&a, &b}); }
Expr operator~(Operand a) { return bit_not(std::move(a)); }
Expr shift_left(Operand a, Operand b) { return ops::shifted(ops::shift_left, a, b); }
Expr shift_right(Operand a, Operand b) { return ops::shifted(ops::shift_right, a, b); }
Expr popcount(Operand a) {
  const Location where = a.where;
  return ops::cast_to(ops::elementwise(ops::popcount, {&a}), DType::u8, where);
}

} // namespace kroton
