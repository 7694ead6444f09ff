#include "lib/ops/matrices.hpp"

#include <algorithm>
#include <cmath>

#include <kroton/ops/contraction.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/linear_algebra.hpp"

namespace kroton::ops {

using ir::InferContext;
using ir::Type;

void require_matrices(InferContext& c, std::size_t i) {
  if (c.in(i).shape.size() < 2)
    c.fail<ShapeError>("leading axes are batches", "takes matrices, got {}", c.label(i));
}

Dim require_square(InferContext& c, std::size_t i) {
  require_matrices(c, i);
  const auto& shape = c.in(i).shape;
  const std::size_t r = shape.size();
  return c.require_equal(shape[r - 2], shape[r - 1],
                         fmt::format("takes square matrices, got {}", c.label(i)),
                         "the last two axes are a matrix");
}

Type with_matrix(const Type& stack, Dim rows, Dim cols) {
  std::vector<Dim> shape(stack.shape.begin(), stack.shape.end() - 2);
  shape.push_back(std::move(rows));
  shape.push_back(std::move(cols));
  return {stack.dtype, std::move(shape)};
}

bool are_matrices(std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                  std::size_t count) {
  const auto is_like_result = [&](const ir::CallType& t) {
    return t.dtype == results[0].dtype && t.rank == results[0].rank;
  };
  return results.size() == 1 && operands.size() == count && is_float(results[0].dtype) &&
         results[0].rank >= 2 && std::ranges::all_of(operands, is_like_result);
}

std::int64_t batches_of(std::span<const std::int64_t> shape) {
  std::int64_t n = 1;
  for (std::size_t i = 0; i + 2 < shape.size(); ++i) n *= shape[i];
  return n;
}

Matrix product_of(const Matrix& a, const Matrix& b) {
  Matrix c(a.rows, b.cols);
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t k = 0; k < a.cols; ++k)
      for (std::int64_t j = 0; j < b.cols; ++j) c.at(i, j) += a.at(i, k) * b.at(k, j);
  return c;
}

Matrix transposed(const Matrix& a) {
  Matrix t(a.cols, a.rows);
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t j = 0; j < a.cols; ++j) t.at(j, i) = a.at(i, j);
  return t;
}

Matrix rows_of(const Matrix& a, std::int64_t first, std::int64_t count) {
  Matrix m(count, a.cols);
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t j = 0; j < a.cols; ++j) m.at(i, j) = a.at(first + i, j);
  return m;
}

long double largest(const Matrix& m) {
  long double most = 0;
  for (long double v : m.elements)
    if (!(std::fabs(v) <= most)) most = std::fabs(v); // NaN too
  return most;
}

long double distance(const Matrix& a, const Matrix& b, long double scale) {
  Matrix d(a.rows, a.cols);
  for (std::size_t i = 0; i < d.elements.size(); ++i) d.elements[i] = a.elements[i] - b.elements[i];
  return scale == 0 ? largest(d) : largest(d) / scale;
}

Matrix matrix_of(const Array& stack, std::int64_t batch) {
  const Array dense = stack.astype(DType::f64).contiguous();
  return matrix_of(ir::Terms<double>(dense, Array(), false), dense.shape(), batch);
}

Expr require_square(std::string_view function, const Expr& e, Location where) {
  const auto refuse = [&] {
    support::fail<ShapeError>(function,
                              {.place = ir::place_of(where, {&e, 1}),
                               .hint = "the last two axes are a matrix, leading ones are batches"},
                              "takes square matrices, got {}", e.label());
  };
  if (e.rank() < 2) refuse();
  const Dim &m = e.shape()[e.shape().size() - 2], &n = e.shape().back();
  if (ir::dims::same(m, n)) return e;
  if (m.is_static() && n.is_static()) refuse();
  std::string what = fmt::format("takes square matrices, got {}", e.label());
  return ir::make(reshape, {e}, ShapeParams{e.node()->type.shape}, where,
                  {{m, n, std::move(what), false, "", std::string(function)}});
}

Expr product(const Expr& a, const Expr& b, Location where) {
  return kroton::matmul({a, where}, {b, where});
}

Expr swapped(const Expr& e, Location where) {
  std::vector<int> order(static_cast<std::size_t>(e.rank()));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return kroton::transpose({e, where}, order);
}

Expr rows_of(const Expr& e, const Dim& first, const Dim& count, Location where) {
  std::vector<Dim> starts(static_cast<std::size_t>(e.rank()), Dim(0)), shape = e.shape();
  starts[starts.size() - 2] = first;
  shape[shape.size() - 2] = count;
  return ir::make(slice, {e},
                  SliceParams{std::move(starts), ir::Ints(shape.size(), 1), std::move(shape)},
                  where);
}

namespace {

/// Positions along the rows of matrices, as a column, and along their columns.
std::pair<Expr, Expr> positions_in(const Expr& e, Location where) {
  const auto along = [&](int axis) {
    return ir::make(iota, {}, SizeParams{e.shape()[static_cast<std::size_t>(e.rank() + axis)]},
                    where);
  };
  return {kroton::expand_dims({along(-2), where}, {-1}), along(-1)};
}

} // namespace

Expr triangle_of(const Expr& e, bool lower, bool is_strict, Location where) {
  const auto [i, j] = positions_in(e, where);
  const Operand row(i, where), column(j, where);
  const Operand &larger = lower ? row : column, &smaller = lower ? column : row;
  const Expr is_inside = is_strict ? larger > smaller : larger >= smaller;
  return kroton::where({is_inside, where}, {e, where}, {0, where});
}

Expr diagonal_of(const Expr& e, Location where) {
  const auto [i, j] = positions_in(e, where);
  return kroton::where({Operand(i, where) == Operand(j, where), where}, {e, where}, {0, where});
}

Expr whole_gradient(const ir::GradContext& c) {
  if (ir::same(c.grad.node()->type, c.output.node()->type)) return c.grad;
  return ir::make(broadcast_to, {c.grad}, ShapeParams{c.output.node()->type.shape}, c.where);
}

std::vector<Dim> common_batches(std::string_view op, const Expr& a, const Expr& b, Location where) {
  const std::vector<Expr> both{a, b};
  const auto batch_type = [](const Expr& e) {
    const auto& shape = e.shape();
    return Type{e.dtype(), std::vector<Dim>(shape.begin(), shape.end() - 2)};
  };
  const Type types[] = {batch_type(a), batch_type(b)};
  const Type* const pointers[] = {&types[0], &types[1]};
  std::vector<ir::Constraint> constraints;
  const ir::Params none;
  InferContext context{solve_triangular, pointers, none, both, where, constraints, op};
  return broadcast_shapes(context);
}

Expr over_batches(const Expr& e, const std::vector<Dim>& batches, Location where) {
  std::vector<Dim> shape = batches;
  shape.insert(shape.end(), e.shape().end() - 2, e.shape().end());
  return ir::same(ir::DimList(shape), e.node()->type.shape)
             ? e
             : ir::make(broadcast_to, {e}, ShapeParams{std::move(shape)}, where);
}

} // namespace kroton::ops
