#pragma once
/// Factorisations of one matrix, written out: what the evaluator computes in long double, and CPUs
/// where there is no LAPACK or a matrix is small.
///
///   std::vector<std::int64_t> from(n);
///   factor_lu(MatrixView<double>{a.data(), n, n, n, 1}, from.data());
#include <cmath>
#include <cstdint>
#include <utility>

namespace kroton::ops {

/// One matrix of any strides, in elements.
template <class T> struct MatrixView {
  T* data;
  std::int64_t rows, cols, row, col;

  T& at(std::int64_t i, std::int64_t j) const { return data[i * row + j * col]; }
  MatrixView transposed() const { return {data, cols, rows, col, row}; }
  /// `count` rows from `first` on.
  MatrixView rows_from(std::int64_t first, std::int64_t count) const {
    return {data + first * row, count, cols, row, col};
  }
};

/// Copies where `from` is not `to` itself.
template <class T> void copy_matrix(const MatrixView<T>& to, const MatrixView<T>& from) {
  if (to.data == from.data) return;
  for (std::int64_t i = 0; i < to.rows; ++i)
    for (std::int64_t j = 0; j < to.cols; ++j) to.at(i, j) = from.at(i, j);
}

/// In place, by rows with partial pivoting: the upper triangle becomes U, what is below the
/// diagonal L, whose diagonal is ones. Row i of L U is row `from[i]` of the matrix. Gives the sign
/// of that permutation.
template <class T> int factor_lu(const MatrixView<T>& a, std::int64_t* from) {
  const std::int64_t n = a.rows;
  int sign = 1;
  for (std::int64_t i = 0; i < n; ++i) from[i] = i;
  for (std::int64_t k = 0; k < n; ++k) {
    std::int64_t pivot = k;
    for (std::int64_t i = k + 1; i < n; ++i)
      if (std::fabs(a.at(i, k)) > std::fabs(a.at(pivot, k))) pivot = i;
    if (pivot != k) {
      for (std::int64_t j = 0; j < n; ++j) std::swap(a.at(k, j), a.at(pivot, j));
      std::swap(from[k], from[pivot]);
      sign = -sign;
    }
    if (a.at(k, k) == 0) continue; // the whole column is
    const T pivot_value = a.at(k, k);
    for (std::int64_t i = k + 1; i < n; ++i) {
      const T factor = a.at(i, k) /= pivot_value;
      for (std::int64_t j = k + 1; j < n; ++j) a.at(i, j) -= factor * a.at(k, j);
    }
  }
  return sign;
}

template <class T> struct Determinants { T determinant = 1, sign = 1, log_magnitude = 0; };
/// Of an lu-factor (lib/ops/systems.hpp).
template <class T> Determinants<T> determinants_of(const MatrixView<T>& factor) {
  const std::int64_t n = factor.cols;
  Determinants<T> d;
  // The sign of the permutation: each row that is out of its place is swapped into it.
  const auto from = [&](std::int64_t i) { return static_cast<std::int64_t>(factor.at(n, i)); };
  std::int64_t cycles = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t k = from(i); // is i the smallest of its cycle?
    while (k > i) k = from(k);
    if (k == i) ++cycles;
  }
  if ((n - cycles) % 2 != 0) d.determinant = d.sign = -1;
  for (std::int64_t i = 0; i < n; ++i) {
    const T u = factor.at(i, i);
    d.determinant *= u;
    d.sign *= u > 0 ? T(1) : u < 0 ? T(-1) : u; // 0 and NaN are their own
    d.log_magnitude += std::log(std::fabs(u));
  }
  return d;
}

} // namespace kroton::ops
