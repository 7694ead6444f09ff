/// Sizes as expressions and expressions as sizes.
#include <limits>
#include <optional>

#include "lib/ops/arithmetic.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/params.hpp"
#include "lib/support/error.hpp"

namespace kroton {
namespace ops {
namespace {

/// The value of an integer scalar expression as a dim, which may be negative, if it is made of
/// sizes, numbers and inputs.
std::optional<Dim> dim_of(const Expr& e) {
  const ir::Node& n = *e.node();
  if (n.type.rank() != 0 || !is_integer(n.type.dtype)) return std::nullopt;
  if (n.op == &size) return n.params.as<SizeParams>().size;
  if (n.op == &constant) {
    const ir::Wide v = int_value(constant_in(n));
    constexpr ir::Wide most = std::numeric_limits<std::int64_t>::max();
    if (v > most || v < -most) return std::nullopt;
    const Dim size(static_cast<std::int64_t>(v < 0 ? -v : v));
    return v < 0 ? ir::dims::sub(Dim(0), size) : size;
  }
  if (n.op == &input) return ir::dims::scalar(n.params.as<InputParams>().leaf, n.name);
  if (n.op == &cast) return dim_of(n.inputs[0]);
  if (n.inputs.size() != 2) return std::nullopt;
  const auto a = dim_of(n.inputs[0]), b = dim_of(n.inputs[1]);
  if (!a || !b) return std::nullopt;
  if (n.op == &add) return ir::dims::add(*a, *b);
  if (n.op == &sub) return ir::dims::sub(*a, *b);
  if (n.op == &mul) return ir::dims::mul(*a, *b);
  if (n.op == &floor_div && b->is_static() && b->value() > 0) return ir::dims::floor_div(*a, *b);
  return std::nullopt;
}

} // namespace

Dim size_of(std::string_view op, const Expr& e, Location where) {
  return ir::dims::max(signed_size_of(op, e, where), Dim(0));
}

Dim signed_size_of(std::string_view op, const Expr& e, Location where) {
  detail::require_given(e, std::string(op).c_str(), where);
  const auto d = ir::with_place(op, where, {&e, 1}, [&] { return dim_of(e); });
  if (!d)
    support::fail<UnsupportedError>(
        op,
        {.place = ir::place_of(where, {&e, 1}),
         .hint = "use x.dim(axis), a number, or an integer scalar input, and + - * of them"},
        "a size must be known before anything is computed, got {}", e.label());
  return *d;
}

Expr dim_expr(const Dim& d, Location where) {
  if (d.is_static()) return integer_constant(DType::i64, d.value(), where);
  return ir::make(size, {}, SizeParams{d}, where);
}

} // namespace ops

Dim::Dim(const Expr& size, Location where) : Dim(ops::size_of("dim", size, where)) {}

Operand::Operand(const Dim& size, Location at) : expr(ops::dim_expr(size, at)), where(at) {}

Expr Expr::dim(int axis, Location where) const {
  const int r = rank();
  if (axis < -r || axis >= r) {
    support::fail<ShapeError>("dim",
                              {.place = ir::place_of(where, {this, 1}),
                               .hint = r == 0 ? "a scalar has no axes"
                                              : fmt::format("axes run from {} to {}", -r, r - 1)},
                              "axis {} of {}, which has {} axes", axis, label(), r);
  }
  return ops::dim_expr(shape()[static_cast<std::size_t>(axis < 0 ? axis + r : axis)], where);
}

} // namespace kroton
