/// Jacobians and Hessians: gradients and tangents of unit vectors, all of them at once.
#include <kroton/jacobian.hpp>

#include <kroton/grad.hpp>
#include <kroton/vmap.hpp>

#include "lib/grad/reverse.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"

namespace kroton {
namespace {

std::vector<Dim> joined(const std::vector<Dim>& a, const std::vector<Dim>& b) {
  std::vector<Dim> shape(a);
  shape.insert(shape.end(), b.begin(), b.end());
  return shape;
}

Expr reshaped(const Expr& e, std::vector<Dim> shape, Location where) {
  return ir::make(ops::reshape, {e}, ops::ShapeParams{std::move(shape)}, where);
}

/// The unit vectors of e's dtype and shape: [n, e's shape…], n being how many elements it has.
Expr units_of(const Expr& e, const Dim& n, Location where) {
  const Expr numbers = ir::make(ops::iota, {}, ops::SizeParams{n}, where);
  const Expr down = reshaped(numbers, {n, Dim(1)}, where);
  const Expr identity =
      kroton::cast({Operand(down, where) == Operand(numbers, where), where}, e.dtype());
  return reshaped(identity, joined({n}, e.shape()), where);
}

bool is_forward_better(const Dim& rows, const Dim& columns) {
  if (ir::dims::same(rows, columns)) return true;
  return rows.is_static() && columns.is_static() ? columns.value() <= rows.value() : columns.is(1);
}

} // namespace

Expr jacobian(const Expr& output, const Expr& wrt, JacobianMode mode, Location where) {
  detail::require_given(output, "jacobian", where);
  detail::require_given(wrt, "jacobian", where);
  reverse::check_differentiable("jacobian", wrt, where);
  if (!is_float(output.dtype()))
    support::fail<TypeError>(
        "jacobian", {.place = ir::place_of(where, {&output, 1}), .hint = "cast it to f32 or f64"},
        "the output must be floating, got {}", output.label());
  const std::vector<Expr> both{output, wrt};
  const auto count = [&](const Expr& e) {
    return ir::with_place("jacobian", where, both, [&] { return ir::dims::product(e.shape()); });
  };
  const Dim rows = count(output), columns = count(wrt);
  const std::vector<Dim> shape = joined(output.shape(), wrt.shape());
  if (mode == JacobianMode::automatic)
    mode = is_forward_better(rows, columns) ? JacobianMode::forward : JacobianMode::reverse;
  if (mode == JacobianMode::forward) {
    const auto along = [&](const std::vector<Expr>& v) { return jvp(output, wrt, v[0], where); };
    const Expr all = vmap(along, {}, {output.rank()}, where)({units_of(wrt, columns, where)});
    return reshaped(all, shape, where);
  }
  const auto of = [&](const std::vector<Expr>& v) { return vjp(output, wrt, v[0], where); };
  return reshaped(vmap(of, {}, {}, where)({units_of(output, rows, where)}), shape, where);
}

Expr hessian(const Expr& cost, const Expr& wrt, Location where) {
  return jacobian(grad(cost, wrt, {.disconnected = Disconnected::zero}, where), wrt,
                  JacobianMode::forward, where);
}

std::vector<Expr> hessian_vector_product(const Expr& cost, const std::vector<Expr>& wrt,
                                         const std::vector<Expr>& vectors, Location where) {
  return jvp(grad(cost, wrt, {.disconnected = Disconnected::zero}, where), wrt, vectors, where);
}

Expr hessian_vector_product(const Expr& cost, const Expr& wrt, const Expr& vector, Location where) {
  return hessian_vector_product(cost, std::vector{wrt}, std::vector{vector}, where)[0];
}

} // namespace kroton
