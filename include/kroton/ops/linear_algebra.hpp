#pragma once
/// Linear algebra on stacks of matrices: the last two axes are a matrix, leading axes are batches.
///
///   auto x = kt::solve_triangular(l, b, {.lower = true});   // l x = b
///
/// Integers give f64. A LAPACK does the work if the machine has one (KROTON_LAPACK).
#include <cstdint>

#include <kroton/error.hpp>
#include <kroton/ops/basic.hpp>

namespace kroton {

/// A matrix that an operation of linear algebra is not defined for, met while running: one that is
/// singular, or not positive definite.
struct LinAlgError : Error {
  using Error::Error;
};

/// What a call does about a matrix that has no result.
enum class OnError : std::uint8_t {
  raise, ///< throws LinAlgError, which names the matrix and where the user wrote the operation
  nan,   ///< gives NaN for all of that matrix' result
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
/// matrices that are not square, and LinAlgError in a call where one is not positive definite,
/// unless `on_error` says otherwise.
Expr cholesky(Operand a, OnError on_error = OnError::raise);

struct Solve {
  /// a is symmetric and positive definite: its lower triangle alone is read, and a Cholesky factor
  /// made, in half the time.
  bool positive_definite = false;
  OnError on_error = OnError::raise;
};

/// The x of `a x = b` for square matrices a [..., n, n], as numpy.linalg.solve's. b is [..., n, k],
/// or [n] for a vector, and so is x; leading axes broadcast. A triangular matrix is for
/// `solve_triangular`. a is factored once for all solutions with it and for their gradients, of any
/// order. Throws ShapeError for shapes that do not fit, and LinAlgError in a call where a pivot is
/// 0 or a minor is not positive.
Expr solve(Operand a, Operand b, Solve options = {});

/// The inverse of square matrices [..., n, n], as numpy.linalg.inv's. `solve` is faster and more
/// accurate where the inverse is multiplied by something. Throws as `solve`.
Expr inv(Operand a, OnError on_error = OnError::raise);

/// The determinant of square matrices, [...] of [..., n, n], as numpy.linalg.det's: 1 for n = 0. It
/// overflows where `slogdet` does not. The gradient is that of a regular matrix, and throws
/// LinAlgError where there is a pivot of 0.
Expr det(Operand a);

struct SignAndLogDet {
  Expr sign, logabsdet;
};
/// The sign of the determinant, -1, 0 or 1, and the logarithm of its magnitude, -inf for 0, as
/// numpy.linalg.slogdet's; both are [...] of [..., n, n]. The gradient is as det's.
SignAndLogDet slogdet(Operand a);

struct LU {
  Expr p, l, u;
};
/// `a = p l u` for square matrices [..., n, n], as scipy.linalg.lu's: p is a permutation matrix, l
/// lower triangular with ones on its diagonal, u upper triangular; each is [..., n, n]. Rows are
/// chosen by partial pivoting. Singular matrices have factors too, but no gradient: LinAlgError.
LU lu(Operand a);

/// Square matrices [..., n, n] multiplied by themselves, as numpy.linalg.matrix_power: the identity
/// for 0, powers of the inverse for negative n, for which integers give f64. Products are as many
/// as n has binary digits, and again as many as of them are ones.
Expr matrix_power(Operand a, std::int64_t n);

} // namespace kroton
