/// Arrays made of sizes and numbers, composed of constants, arange and views.
#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/creation.hpp>
#include <kroton/ops/movement.hpp>

#include "lib/ops/build.hpp"

namespace kroton {
namespace ops {
namespace {

Expr filled(std::string_view op, std::vector<Dim> shape, const Expr& value, Location where) {
  if (value.rank() != 0)
    support::fail<ShapeError>(
        op, {.place = ir::place_of(where, {&value, 1}), .hint = "broadcast_to repeats arrays"},
        "value should be a scalar, got {}", value.label());
  return shape.empty() ? value : kroton::broadcast_to({value, where}, std::move(shape));
}

Expr number(DType dtype, std::int64_t value, Location where) {
  return cast_to(integer_constant(DType::i64, value, where), dtype, where);
}

/// 0, 1, … count - 1 in `dtype`.
Expr counted(const Expr& count, DType dtype, Location where) {
  return cast_to(kroton::arange({count, where}), dtype, where);
}

} // namespace
} // namespace ops

Expr full(std::vector<Dim> shape, Operand value) {
  return ops::filled("full", std::move(shape), ops::to_expr(value), value.where);
}
Expr full(std::vector<Dim> shape, Operand value, DType dtype) {
  const Expr v = value.is_literal() ? ops::to_expr(value, dtype)
                                    : ops::cast_to(value.expr, dtype, value.where);
  return ops::filled("full", std::move(shape), v, value.where);
}
Expr zeros(std::vector<Dim> shape, DType dtype, Location where) {
  return ops::filled("zeros", std::move(shape), ops::number(dtype, 0, where), where);
}
Expr ones(std::vector<Dim> shape, DType dtype, Location where) {
  return ops::filled("ones", std::move(shape), ops::number(dtype, 1, where), where);
}
Expr zeros_like(Operand a) {
  const Expr e = ops::to_expr(a);
  return zeros(e.shape(), e.dtype(), a.where);
}
Expr ones_like(Operand a) {
  const Expr e = ops::to_expr(a);
  return ones(e.shape(), e.dtype(), a.where);
}
Expr full_like(Operand a, Operand value) {
  const Expr e = ops::to_expr(a);
  return full(e.shape(), value, e.dtype());
}

Expr eye(Dim rows, Dim columns, std::int64_t k, DType dtype, Location where) {
  const auto axis = [&](const Dim& n) { return arange({ops::dim_expr(n, where), where}); };
  const Expr row = expand_dims({axis(rows), where}, {1});
  const Expr moved = k == 0 ? row : Operand(row, where) + Operand(k, where);
  return ops::cast_to(Operand(moved, where) == Operand(axis(columns), where), dtype, where);
}
Expr identity(Dim n, DType dtype, Location where) { return eye(n, n, 0, dtype, where); }

Expr linspace(Operand start, Operand stop, Operand count) {
  const Location at = start.where;
  const Expr from = ops::to_floating(start), to = ops::to_floating(stop);
  const DType dtype = promote(from.dtype(), to.dtype());
  for (const Expr& e : {from, to})
    if (e.rank() != 0)
      support::fail<ShapeError>("linspace",
                                {.place = ir::place_of(at, {&e, 1}), .hint = "give two numbers"},
                                "takes scalars, got {}", e.label());
  const Operand a(ops::cast_to(from, dtype, at), at), b(ops::cast_to(to, dtype, at), at);
  const Expr n = ops::dim_expr(ops::size_of("linspace", ops::to_expr(count), at), at);
  const Expr i = ops::counted(n, dtype, at);
  const Operand last(ops::cast_to(Operand(n, at) - Operand(1, at), dtype, at), at);
  const Operand parts(maximum(last, Operand(1, at)), at);
  const Expr step = Operand(b - a, at) / parts;
  const Expr line = a + Operand(Operand(i, at) * Operand(step, at), at);
  // The last is exact, unless it is the first.
  const Expr is_last = Operand(Operand(i, at) == last, at) && Operand(last > Operand(0, at), at);
  return where({is_last, at}, b, {line, at});
}

Expr logspace(Operand start, Operand stop, Operand count, Operand base) {
  const Expr powers = linspace(start, stop, count);
  return pow(base, {powers, start.where});
}

std::vector<Expr> meshgrid(const std::vector<Expr>& axes, GridOrder order, Location where) {
  const std::size_t k = axes.size();
  std::vector<std::size_t> lies_along(k);
  for (std::size_t i = 0; i < k; ++i) lies_along[i] = i;
  if (order == GridOrder::xy && k >= 2) std::swap(lies_along[0], lies_along[1]);
  std::vector<Dim> shape(k, Dim(1));
  for (std::size_t i = 0; i < k; ++i) {
    if (axes[i].rank() != 1)
      support::fail<ShapeError>(
          "meshgrid",
          {.place = ir::place_of(where, axes), .hint = "give the coordinates along each axis"},
          "takes arrays of rank 1, got {}", axes[i].label());
    shape[lies_along[i]] = axes[i].shape()[0];
  }
  std::vector<Expr> grids;
  for (std::size_t i = 0; i < k; ++i) {
    std::vector<NewDim> own(k, NewDim(1));
    own[lies_along[i]] = NewDim(axes[i].shape()[0]);
    grids.push_back(broadcast_to({reshape({axes[i], where}, std::move(own)), where}, shape));
  }
  return grids;
}

} // namespace kroton
