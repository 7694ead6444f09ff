#pragma once
/// Linear algebra on stacks of matrices: the last two axes are a matrix, leading axes are batches.
///
///   auto x = kt::solve_triangular(l, b, {.lower = true});   // l x = b
///
/// Integers give f64. A LAPACK does the work if the machine has one (KROTON_LAPACK).
#include <kroton/error.hpp>
#include <kroton/ops/basic.hpp>

namespace kroton {

/// A matrix that an operation of linear algebra is not defined for, met while running: one that is
/// singular, or not positive definite.
struct LinAlgError : Error {
  using Error::Error;
};

struct Triangular {
  bool lower = false; ///< The lower triangle is read and the upper one is ignored, or the reverse.
  bool transposed = false;    ///< Solves transpose(a) x = b.
  bool unit_diagonal = false; ///< The diagonal counts as ones and is not read.
};

/// The x of `a x = b` for triangular matrices a of shape [..., n, n], as scipy.linalg's. b is
/// [..., n, k], or [n] for a vector, and so is x; leading axes broadcast. Throws ShapeError for
/// shapes that do not fit, and LinAlgError in a call where an element of a's diagonal is 0.
Expr solve_triangular(Operand a, Operand b, Triangular options = {});

/// The lower triangular l with positive diagonal for which `a = l transpose(l)`, zeros above its
/// diagonal, as numpy.linalg.cholesky's. a is [..., n, n], symmetric and positive definite; its
/// lower triangle alone is read, and the gradient is with respect to that. Throws ShapeError for
/// matrices that are not square, and LinAlgError in a call where one is not positive definite.
Expr cholesky(Operand a);

} // namespace kroton
