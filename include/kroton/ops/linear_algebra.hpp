#pragma once
/// Linear algebra on stacks of matrices: the last two axes are a matrix, leading axes are batches.
///
///   auto x = kt::solve_triangular(l, b, {.lower = true});   // l x = b
///
/// Integers give f64. A LAPACK does the work if the machine has one (KROTON_LAPACK).
#include <cstdint>
#include <optional>

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

struct QR {
  Expr q, r;
};
/// `a = q r`, as numpy.linalg.qr's (reduced): of [..., m, n], with k the smaller of both, q is
/// [..., m, k] with orthonormal columns and r [..., k, n] upper triangular. Signs are LAPACK's:
/// those of r's diagonal are not fixed. The gradient is for matrices whose first k columns are
/// independent, others throw LinAlgError in it.
QR qr(Operand a);

struct Eigh {
  Expr values, vectors;
};
/// Eigenvalues w [..., n], in ascending order, and eigenvectors v [..., n, n], in columns, of
/// symmetric matrices [..., n, n], as numpy.linalg.eigh's: `a v = v w`. The lower triangle alone is
/// read, and the gradient is with respect to that. Of each vector the first component that is at
/// least half as large as the largest is positive. Of equal eigenvalues vectors have no gradient:
/// it is taken for 0 between them; between values that are near to each other it is large. Throws
/// ShapeError for matrices that are not square, LinAlgError in a call for elements that are not
/// finite.
Eigh eigh(Operand a, OnError on_error = OnError::raise);
/// The eigenvalues alone, in less time. They have gradients too.
Expr eigvalsh(Operand a, OnError on_error = OnError::raise);

struct SVD {
  Expr u, s, vh;
};
/// `a = u diag(s) vh`, as numpy.linalg.svd's with full_matrices=False: of [..., m, n], with k the
/// smaller of both, u is [..., m, k] with orthonormal columns, s [..., k] not negative and in
/// descending order, vh [..., k, n] with orthonormal rows, each of which has a positive component
/// as eigh's vectors have. What is said of equal eigenvalues there holds of equal singular values
/// here, and of those that are 0. Throws LinAlgError in a call for elements that are not finite.
SVD svd(Operand a, OnError on_error = OnError::raise);
/// The singular values alone, in less time. They have gradients too.
Expr svdvals(Operand a, OnError on_error = OnError::raise);

/// The pseudoinverse, [..., n, m] of [..., m, n], as numpy.linalg.pinv's: singular values up to
/// `rcond` times the largest count as 0. Without it that is max(m, n) times the dtype's epsilon.
/// The gradient is that at constant rank. Throws LinAlgError in a call for elements that are not
/// finite.
Expr pinv(Operand a, std::optional<double> rcond = std::nullopt);
/// The x of least length among those for which `a x` is nearest to b, as the first result of
/// numpy.linalg.lstsq. a is [..., m, n] of any rank, b [..., m, k], or [m] for a vector; x is
/// [..., n, k], or [..., n]. `rcond` as in `pinv`.
Expr lstsq(Operand a, Operand b, std::optional<double> rcond = std::nullopt);
/// How many singular values (i64) are larger than `rtol` times the largest, as
/// numpy.linalg.matrix_rank; `rtol` is as pinv's `rcond`.
Expr matrix_rank(Operand a, std::optional<double> rtol = std::nullopt);
/// The largest singular value divided by the smallest, as numpy.linalg.cond.
Expr cond(Operand a);

/// Square matrices [..., n, n] multiplied by themselves, as numpy.linalg.matrix_power: the identity
/// for 0, powers of the inverse for negative n, for which integers give f64. Products are as many
/// as n has binary digits, and again as many as of them are ones.
Expr matrix_power(Operand a, std::int64_t n);

/// The exponential of square matrices [..., n, n], as scipy.linalg.expm: Padé's approximant of the
/// matrix over a power of two, squared again. Squarings are at most 16; a matrix whose 1-norm is
/// larger than 2^16 * 5.37 (f32: 3.92) gives NaN.
Expr expm(Operand a);

/// The matrices behind each other along the diagonal of one, zeros elsewhere, as
/// scipy.linalg.block_diag; a vector is a row, a scalar one element. Throws ShapeError for more
/// than two axes.
Expr block_diag(std::vector<Expr> blocks, Location where = Location::current());

} // namespace kroton
