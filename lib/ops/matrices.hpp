#pragma once
/// What rows of linear algebra share: matrices in the evaluator, types of stacks of them,
/// triangles.
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <kroton/expr.hpp>

#include "lib/ir/call.hpp"
#include "lib/ir/extended.hpp"
#include "lib/ir/op.hpp"
#include "lib/ops/dense.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::ops {

// ---- types

/// Requires input `i` to be stacks of matrices.
void require_matrices(ir::InferContext& c, std::size_t i);
/// Requires input `i` to be square matrices, and gives their order.
Dim require_square(ir::InferContext& c, std::size_t i);
/// The matrices' own axes replaced.
ir::Type with_matrix(const ir::Type& stack, Dim rows, Dim cols);
/// The function is called with stacks of matrices of floats, all of one dtype and rank, as many
/// operands as `count`.
bool are_matrices(std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                  std::size_t count);

// ---- matrices in the evaluator

std::int64_t batches_of(std::span<const std::int64_t> shape);

/// A dense matrix of floats.
struct Matrix {
  std::int64_t rows = 0, cols = 0;
  std::vector<long double> elements;

  Matrix(std::int64_t m, std::int64_t n)
      : rows(m), cols(n), elements(static_cast<std::size_t>(m * n)) {}
  long double& at(std::int64_t i, std::int64_t j) {
    return elements[static_cast<std::size_t>(i * cols + j)];
  }
  long double at(std::int64_t i, std::int64_t j) const {
    return elements[static_cast<std::size_t>(i * cols + j)];
  }
  MatrixView<long double> view() { return {elements.data(), rows, cols, cols, 1}; }
};
Matrix product_of(const Matrix& a, const Matrix& b);
Matrix transposed(const Matrix& a);
/// Rows [first, first + count).
Matrix rows_of(const Matrix& a, std::int64_t first, std::int64_t count);
/// The largest magnitude; NaN if there is one.
long double largest(const Matrix& m);
/// The largest difference of `a` to `b`, relative to what rounding does to sums of so many terms as
/// large as `scale`.
long double distance(const Matrix& a, const Matrix& b, long double scale);

/// Matrix number `batch` of a stack of `shape`, whose elements `terms[i]` are.
template <class T>
Matrix matrix_of(const ir::Terms<T>& terms, std::span<const std::int64_t> shape,
                 std::int64_t batch) {
  Matrix m(shape[shape.size() - 2], shape[shape.size() - 1]);
  const std::int64_t first = batch * m.rows * m.cols;
  for (std::size_t i = 0; i < m.elements.size(); ++i)
    m.elements[i] = terms[first + static_cast<std::int64_t>(i)];
  return m;
}
Matrix matrix_of(const Array& stack, std::int64_t batch);

/// `f(batch)` gives the matrices of the result, from the inputs as `Terms`.
template <class F> Array evaluate_matrices(const ir::EvalContext& c, F f) {
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_floating_point_v<T>) {
      std::vector<ir::Terms<T>> inputs;
      for (std::size_t i = 0; i < c.inputs.size(); ++i) inputs.emplace_back(c, i);
      const ir::Results<T> to(c, out);
      for (std::int64_t batch = 0; batch < batches_of(c.shape); ++batch) {
        std::vector<Matrix> matrices;
        for (std::size_t i = 0; i < inputs.size(); ++i)
          matrices.push_back(matrix_of(inputs[i], c.inputs[i].shape(), batch));
        const Matrix result = f(matrices);
        const auto numel = static_cast<std::int64_t>(result.elements.size());
        for (std::int64_t i = 0; i < numel; ++i)
          to.set(batch * numel + i, result.elements[static_cast<std::size_t>(i)]);
      }
    }
  });
  return out;
}

/// The largest of `error(matrices)` of all batches.
template <class F>
double worst_error(std::span<const Array> operands, const Array& result, F error) {
  double worst = 0;
  for (std::int64_t batch = 0; batch < batches_of(result.shape()); ++batch) {
    std::vector<Matrix> matrices;
    for (const Array& a : operands) matrices.push_back(matrix_of(a, batch));
    const auto by = static_cast<double>(error(matrices, matrix_of(result, batch)));
    if (!(by <= worst)) worst = by;
  }
  return worst;
}

// ---- expressions

/// `e`, which has to be square matrices: checked at once, or in the call.
Expr require_square(std::string_view function, const Expr& e, Location where);
/// As `matmul`.
Expr product(const Expr& a, const Expr& b, Location where);
/// The matrices transposed.
Expr swapped(const Expr& e, Location where);
/// The matrices' rows [first, first + count).
Expr rows_of(const Expr& e, const Dim& first, const Dim& count, Location where);
/// The matrices with zeros outside of a triangle, whose diagonal is part of it unless `is_strict`.
Expr triangle_of(const Expr& e, bool lower, bool is_strict, Location where);
/// The matrices with zeros beside the diagonal.
Expr diagonal_of(const Expr& e, Location where);
/// The gradient that arrives, in the shape of the op's result.
Expr whole_gradient(const ir::GradContext& c);

/// The leading axes of two stacks of matrices, broadcast to each other.
std::vector<Dim> common_batches(std::string_view op, const Expr& a, const Expr& b, Location where);
/// The matrices over these leading axes.
Expr over_batches(const Expr& e, const std::vector<Dim>& batches, Location where);

} // namespace kroton::ops
