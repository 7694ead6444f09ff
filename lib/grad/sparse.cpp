/// Sparse Jacobians: one derivative for all columns (or rows) that nothing has in common.
#include <algorithm>

#include <kroton/grad.hpp>
#include <kroton/sparse_jacobian.hpp>
#include <kroton/vmap.hpp>

#include "lib/grad/pattern.hpp"
#include "lib/grad/reverse.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/indexing.hpp"

namespace kroton {
namespace {

using reverse::Pattern;

Pattern transposed(const Pattern& rows, std::size_t width) {
  Pattern columns(width);
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (const std::int64_t j : rows[i])
      columns[static_cast<std::size_t>(j)].push_back(static_cast<std::int64_t>(i));
  return columns;
}

struct Colouring {
  std::vector<std::int64_t> of; ///< each column's colour
  std::int64_t count = 0;
};

/// Gives columns that have a row in common different colours, each the first that is free, in
/// order: of a band, as many as it is wide.
Colouring coloured(const Pattern& columns, const Pattern& rows) {
  Colouring c{std::vector<std::int64_t>(columns.size(), -1), 0};
  std::vector<std::size_t> taken_by; // the last column that found the colour taken
  for (std::size_t j = 0; j < columns.size(); ++j) {
    for (const std::int64_t i : columns[j])
      for (const std::int64_t other : rows[static_cast<std::size_t>(i)])
        if (const std::int64_t colour = c.of[static_cast<std::size_t>(other)]; colour >= 0)
          taken_by[static_cast<std::size_t>(colour)] = j + 1;
    if (columns[j].empty()) continue;
    const auto free = std::ranges::find_if(taken_by, [&](std::size_t by) { return by != j + 1; });
    c.of[j] = free - taken_by.begin();
    if (free == taken_by.end()) taken_by.push_back(0);
  }
  c.count = static_cast<std::int64_t>(taken_by.size());
  return c;
}

/// For each colour the sum of the unit vectors of its columns: [colours, e's shape…].
Expr seeds_of(const Colouring& c, const Expr& e, Location where) {
  Shape shape{c.count};
  std::int64_t numel = 1;
  for (const Dim& d : e.shape()) {
    shape.push_back(d.value());
    numel *= d.value();
  }
  Array seeds = Array::zeros(DType::f64, shape, where);
  for (std::size_t j = 0; j < c.of.size(); ++j)
    if (c.of[j] >= 0) seeds.data<double>()[c.of[j] * numel + static_cast<std::int64_t>(j)] = 1;
  return constant(seeds.astype(e.dtype(), where), {}, where);
}

Expr reshaped(const Expr& e, std::vector<Dim> shape, Location where) {
  return ir::make(ops::reshape, {e}, ops::ShapeParams{std::move(shape)}, where);
}

SparseJacobian compressed(std::string_view op, const Expr& output, const Expr& wrt,
                          Location where) {
  detail::require_given(output, "sparse_jacobian", where);
  detail::require_given(wrt, "sparse_jacobian", where);
  reverse::check_differentiable(op, wrt, where);
  if (!is_float(output.dtype()))
    support::fail<TypeError>(
        op, {.place = ir::place_of(where, {&output, 1}), .hint = "cast it to f32 or f64"},
        "the output must be floating, got {}", output.label());
  const Pattern rows = reverse::pattern_of(op, output, wrt, where);
  SparseJacobian j;
  j.rows = static_cast<std::int64_t>(rows.size());
  j.width = 1;
  for (const Dim& d : wrt.shape()) j.width *= d.value();
  const Pattern columns = transposed(rows, static_cast<std::size_t>(j.width));
  const Colouring forward = coloured(columns, rows), reverse = coloured(rows, columns);
  j.is_forward = forward.count <= reverse.count;
  const Colouring& c = j.is_forward ? forward : reverse;
  j.colours = static_cast<int>(c.count);

  // Element (i, k) is where the derivative for k's colour has i; or that for i's colour has k.
  std::vector<std::int64_t> positions;
  j.starts.push_back(0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (const std::int64_t k : rows[i]) {
      j.columns.push_back(k);
      positions.push_back(j.is_forward ? c.of[static_cast<std::size_t>(k)] * j.rows +
                                             static_cast<std::int64_t>(i)
                                       : c.of[i] * j.width + k);
    }
    j.starts.push_back(static_cast<std::int64_t>(j.columns.size()));
  }
  const auto count = static_cast<std::int64_t>(positions.size());
  if (count == 0) {
    j.values = reverse::zeros_like(tensor(output.dtype(), {Dim(0)}), where);
    return j;
  }
  const auto derivative = [&](const std::vector<Expr>& v) {
    return j.is_forward ? jvp(output, wrt, v[0], where) : vjp(output, wrt, v[0], where);
  };
  const Expr all =
      vmap(derivative, {}, {}, where)({seeds_of(c, j.is_forward ? wrt : output, where)});
  const Dim numel = c.count * (j.is_forward ? j.rows : j.width);
  j.values = ir::make(
      ops::gather,
      {reshaped(all, {numel}, where), constant(Array::from(positions, {count}, where), {}, where)},
      {}, where);
  return j;
}

} // namespace

Expr SparseJacobian::dense(Location where) const {
  const auto count = static_cast<std::int64_t>(columns.size());
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t e = starts[static_cast<std::size_t>(i)];
         e < starts[static_cast<std::size_t>(i) + 1]; ++e)
      positions.push_back(i * width + columns[static_cast<std::size_t>(e)]);
  const Expr flat = ir::make(ops::index_add,
                             {values, constant(Array::from(positions, {count}, where), {}, where)},
                             ops::ShapeParams{std::vector<Dim>{Dim(rows * width)}}, where);
  return reshaped(flat, {Dim(rows), Dim(width)}, where);
}

SparseJacobian sparse_jacobian(const Expr& output, const Expr& wrt, Location where) {
  return compressed("sparse_jacobian", output, wrt, where);
}

SparseJacobian sparse_hessian(const Expr& cost, const Expr& wrt, Location where) {
  return compressed("sparse_hessian", grad(cost, wrt, {.disconnected = Disconnected::zero}, where),
                    wrt, where);
}

} // namespace kroton
