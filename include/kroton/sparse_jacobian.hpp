#pragma once
/// Jacobians and Hessians of which most elements are zero whatever the values are.
///
///   const kt::SparseJacobian j = kt::sparse_jacobian(x[{{1, {}}}] - x[{{0, -1}}], x);   //
///   f64[n-1] by f64[n] j.values;                  // f64[2n-2], the elements that may not be zero,
///   row by row j.colours;                 // 2 derivatives were taken, not n
#include <cstdint>
#include <vector>

#include <kroton/expr.hpp>

namespace kroton {

/// A Jacobian in compressed sparse rows, as scipy.sparse.csr_matrix has it. Rows are the output's
/// elements, columns those of what it is differentiated by, both in row-major order. Where elements
/// may differ from zero is known when the expression is; their values are computed.
struct SparseJacobian {
  Expr values;                       ///< one for each of `columns`
  std::vector<std::int64_t> starts;  ///< row i has elements [starts[i], starts[i + 1])
  std::vector<std::int64_t> columns; ///< of each element, ascending in a row
  std::int64_t rows = 0, width = 0;  ///< the shape is [rows, width]
  int colours = 0;                   ///< how many derivatives are taken
  bool is_forward = true;            ///< along columns that share no row, else of rows

  /// The matrix with its zeros, [rows, width].
  Expr dense(Location where = Location::current()) const;
};

/// The derivative of each element of `output` by each of `wrt`, both of known sizes.
///
/// What an element depends on follows from the graph: elementwise ops, slices and other movement,
/// reductions, and reads of and additions at known positions are followed element by element; each
/// result of a contraction or another op is taken to depend on all that its operands depend on.
/// Columns (or rows, where that takes fewer) that have no row in common get one colour, and one
/// derivative is taken for each colour. Throws ShapeError for a size that is not known, and as
/// `jacobian` does.
SparseJacobian sparse_jacobian(const Expr& output, const Expr& wrt,
                               Location where = Location::current());

/// The second derivatives of the scalar `cost`, of which both triangles are given. Throws as `grad`
/// and `sparse_jacobian` do.
SparseJacobian sparse_hessian(const Expr& cost, const Expr& wrt,
                              Location where = Location::current());

} // namespace kroton
