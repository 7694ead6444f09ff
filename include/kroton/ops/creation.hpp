#pragma once
/// Arrays that are made of sizes and numbers alone. They take no memory: who reads an element
/// computes it.
///
///   auto lower = kt::tril(kt::ones({n, n}, kt::DType::f32));
///   auto t = kt::linspace(0.f, 1.f, 101);          // f32[101]
///
/// Dims are numbers, Dims, or expressions of sizes (`x.dim(0)`). The dtype is f64 unless one is
/// given, as NumPy's.
#include <vector>

#include <kroton/ops/basic.hpp>

namespace kroton {

/// `value`, a scalar, everywhere; its dtype unless one is given. Throws ShapeError for a value that
/// is no scalar.
Expr full(std::vector<Dim> shape, Operand value);
Expr full(std::vector<Dim> shape, Operand value, DType dtype);
Expr zeros(std::vector<Dim> shape, DType dtype = DType::f64, Location where = Location::current());
Expr ones(std::vector<Dim> shape, DType dtype = DType::f64, Location where = Location::current());
template <Element T> Expr zeros(std::vector<Dim> shape, Location where = Location::current()) {
  return zeros(std::move(shape), dtype_of<T>, where);
}
template <Element T> Expr ones(std::vector<Dim> shape, Location where = Location::current()) {
  return ones(std::move(shape), dtype_of<T>, where);
}
/// Of a's shape and dtype.
Expr zeros_like(Operand a);
Expr ones_like(Operand a);
Expr full_like(Operand a, Operand value);

/// [rows, columns]: 1 where the column is the row plus k, else 0.
Expr eye(Dim rows, Dim columns, std::int64_t k = 0, DType dtype = DType::f64,
         Location where = Location::current());
/// [n, n]: 1 on the diagonal, else 0.
Expr identity(Dim n, DType dtype = DType::f64, Location where = Location::current());

/// `count` numbers from `start` to `stop`, both included, at equal distances: start + i * step, the
/// last being `stop` itself. Scalars; integers give f64. With one number it is `start`; a negative
/// count is none.
Expr linspace(Operand start, Operand stop, Operand count);
/// base to the powers that linspace(start, stop, count) gives.
Expr logspace(Operand start, Operand stop, Operand count, Operand base = 10.0);

/// Which axis of a grid the first two arrays of `meshgrid` lie along.
enum class GridOrder : std::uint8_t {
  xy, ///< the first along the second axis, and the second along the first: x along rows
  ij, ///< each along its own
};
/// Of k arrays of rank 1, each along an axis of its own of a grid of all their sizes, as views;
/// numpy.meshgrid's. Throws ShapeError for arrays of another rank.
std::vector<Expr> meshgrid(const std::vector<Expr>& axes, GridOrder order = GridOrder::xy,
                           Location where = Location::current());

} // namespace kroton
