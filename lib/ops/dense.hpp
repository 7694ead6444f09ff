#pragma once
/// Factorisations of one matrix, written out: what the evaluator computes in long double, and CPUs
/// where there is no LAPACK or a matrix is small.
///
///   std::vector<std::int64_t> from(n);
///   factor_lu(MatrixView<double>{a.data(), n, n, n, 1}, from.data());
#include <cmath>
#include <cstdint>
#include <limits>
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

/// In place: the upper triangle of m by n, m >= n, becomes R, what is below it Householder's
/// vectors, whose factors are `tau[n]`. The signs are LAPACK's.
template <class T> void factor_qr(const MatrixView<T>& a, T* tau) {
  for (std::int64_t k = 0; k < a.cols; ++k) {
    T below = 0;
    for (std::int64_t i = k + 1; i < a.rows; ++i) below = std::hypot(below, a.at(i, k));
    tau[k] = 0;
    if (below == 0) continue;
    const T alpha = a.at(k, k), beta = -std::copysign(std::hypot(alpha, below), alpha);
    tau[k] = (beta - alpha) / beta;
    for (std::int64_t i = k + 1; i < a.rows; ++i) a.at(i, k) /= alpha - beta;
    a.at(k, k) = beta;
    for (std::int64_t j = k + 1; j < a.cols; ++j) {
      T dot = a.at(k, j);
      for (std::int64_t i = k + 1; i < a.rows; ++i) dot += a.at(i, k) * a.at(i, j);
      a.at(k, j) -= tau[k] * dot;
      for (std::int64_t i = k + 1; i < a.rows; ++i) a.at(i, j) -= tau[k] * dot * a.at(i, k);
    }
  }
}

/// The first columns of Q, in an array of its own, of what factor_qr left.
template <class T>
void make_q(const MatrixView<T>& factored, const T* tau, const MatrixView<T>& q) {
  for (std::int64_t i = 0; i < q.rows; ++i)
    for (std::int64_t j = 0; j < q.cols; ++j) q.at(i, j) = i == j ? T(1) : T(0);
  for (std::int64_t k = factored.cols; k-- > 0;)
    for (std::int64_t j = k; j < q.cols; ++j) {
      T dot = q.at(k, j);
      for (std::int64_t i = k + 1; i < q.rows; ++i) dot += factored.at(i, k) * q.at(i, j);
      q.at(k, j) -= tau[k] * dot;
      for (std::int64_t i = k + 1; i < q.rows; ++i) q.at(i, j) -= tau[k] * dot * factored.at(i, k);
    }
}

/// Whether column `j` is to be negated: of its components that are at least half as large as the
/// largest, the first is made positive, so that factors that are unique but for signs are unique.
template <class T> bool is_to_be_negated(const MatrixView<T>& v, std::int64_t j) {
  T most = 0;
  for (std::int64_t i = 0; i < v.rows; ++i) most = std::fmax(most, std::fabs(v.at(i, j)));
  for (std::int64_t i = 0; i < v.rows; ++i)
    if (std::fabs(v.at(i, j)) >= most / 2) return v.at(i, j) < 0;
  return false;
}

template <class T> void scale_column(const MatrixView<T>& a, std::int64_t j, T by) {
  for (std::int64_t i = 0; i < a.rows; ++i) a.at(i, j) *= by;
}
template <class T> void swap_columns(const MatrixView<T>& a, std::int64_t j, std::int64_t k) {
  for (std::int64_t i = 0; i < a.rows; ++i) std::swap(a.at(i, j), a.at(i, k));
}
template <class T>
void rotate_columns(const MatrixView<T>& a, std::int64_t j, std::int64_t k, T c, T s) {
  for (std::int64_t i = 0; i < a.rows; ++i) {
    const T x = a.at(i, j), y = a.at(i, k);
    a.at(i, j) = c * x - s * y;
    a.at(i, k) = s * x + c * y;
  }
}

/// Jacobi's rotations are over all pairs of columns so many times at most.
inline constexpr int most_sweeps = 60;

/// The rotation that makes [[alpha, gamma], [gamma, beta]] diagonal: its tangent, the smaller one.
template <class T> T tangent(T alpha, T beta, T gamma) {
  const T zeta = (beta - alpha) / (2 * gamma);
  return std::copysign(T(1), zeta) / (std::fabs(zeta) + std::hypot(T(1), zeta));
}

/// Jacobi's method: the lower triangle of `a` is read, all of it is overwritten. `values[n]` in
/// ascending order, columns of `vectors` in the same. False: it has not converged.
template <class T>
bool factor_eigh(const MatrixView<T>& a, T* values, const MatrixView<T>& vectors) {
  const std::int64_t n = a.rows;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      if (j > i) a.at(i, j) = a.at(j, i);
      vectors.at(i, j) = i == j ? T(1) : T(0);
    }
  T norm = 0;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) norm = std::hypot(norm, a.at(i, j));
  if (!std::isfinite(norm)) return false;
  const T small = norm * std::numeric_limits<T>::epsilon() / 8;
  bool is_diagonal = false;
  for (int sweep = 0; !is_diagonal && sweep < most_sweeps; ++sweep) {
    is_diagonal = true;
    for (std::int64_t p = 0; p < n; ++p)
      for (std::int64_t q = p + 1; q < n; ++q) {
        if (std::fabs(a.at(p, q)) <= small) continue;
        is_diagonal = false;
        const T t = tangent(a.at(p, p), a.at(q, q), a.at(p, q)), c = 1 / std::hypot(T(1), t),
                s = t * c;
        rotate_columns(a, p, q, c, s);
        rotate_columns(a.transposed(), p, q, c, s);
        a.at(p, q) = a.at(q, p) = 0;
        rotate_columns(vectors, p, q, c, s);
      }
  }
  if (!is_diagonal) return false;
  for (std::int64_t i = 0; i < n; ++i) values[i] = a.at(i, i);
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t least = i;
    for (std::int64_t k = i + 1; k < n; ++k)
      if (values[k] < values[least]) least = k;
    if (least != i) {
      std::swap(values[i], values[least]);
      swap_columns(vectors, i, least);
    }
    if (is_to_be_negated(vectors, i)) scale_column(vectors, i, T(-1));
  }
  return true;
}

/// Makes column `j` a unit vector that is orthogonal to those before it.
template <class T> void complete_column(const MatrixView<T>& u, std::int64_t j) {
  for (std::int64_t unit = 0; unit < u.rows; ++unit) {
    for (std::int64_t i = 0; i < u.rows; ++i) u.at(i, j) = i == unit ? T(1) : T(0);
    for (int twice = 0; twice < 2; ++twice)
      for (std::int64_t k = 0; k < j; ++k) {
        T dot = 0;
        for (std::int64_t i = 0; i < u.rows; ++i) dot += u.at(i, j) * u.at(i, k);
        for (std::int64_t i = 0; i < u.rows; ++i) u.at(i, j) -= dot * u.at(i, k);
      }
    T norm = 0;
    for (std::int64_t i = 0; i < u.rows; ++i) norm = std::hypot(norm, u.at(i, j));
    if (norm * norm * static_cast<T>(2 * u.rows) < 1) continue;
    scale_column(u, j, 1 / norm);
    return;
  }
}

/// Jacobi's one-sided method, of m by n with m >= n: `u` holds the matrix and becomes U, `v` is
/// n by n. `values[n]` in descending order. False: it has not converged.
template <class T> bool factor_svd(const MatrixView<T>& u, T* values, const MatrixView<T>& v) {
  const std::int64_t n = u.cols;
  const T epsilon = std::numeric_limits<T>::epsilon();
  T norm = 0;
  for (std::int64_t i = 0; i < u.rows; ++i)
    for (std::int64_t j = 0; j < n; ++j) norm = std::hypot(norm, u.at(i, j));
  if (!std::isfinite(norm)) return false;
  if (norm > 0) // squares neither overflow nor vanish
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t i = 0; i < u.rows; ++i) u.at(i, j) /= norm;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) v.at(i, j) = i == j ? T(1) : T(0);
  bool is_orthogonal = false;
  for (int sweep = 0; !is_orthogonal && sweep < most_sweeps; ++sweep) {
    is_orthogonal = true;
    for (std::int64_t p = 0; p < n; ++p)
      for (std::int64_t q = p + 1; q < n; ++q) {
        T alpha = 0, beta = 0, gamma = 0;
        for (std::int64_t i = 0; i < u.rows; ++i) {
          alpha += u.at(i, p) * u.at(i, p);
          beta += u.at(i, q) * u.at(i, q);
          gamma += u.at(i, p) * u.at(i, q);
        }
        if (std::fabs(gamma) <= epsilon * std::sqrt(alpha * beta) ||
            std::fabs(gamma) <= epsilon * epsilon)
          continue;
        is_orthogonal = false;
        const T t = tangent(alpha, beta, gamma), c = 1 / std::hypot(T(1), t), s = t * c;
        rotate_columns(u, p, q, c, s);
        rotate_columns(v, p, q, c, s);
      }
  }
  if (!is_orthogonal) return false;
  for (std::int64_t j = 0; j < n; ++j) {
    T length = 0;
    for (std::int64_t i = 0; i < u.rows; ++i) length = std::hypot(length, u.at(i, j));
    values[j] = length;
  }
  for (std::int64_t j = 0; j < n; ++j) {
    std::int64_t most = j;
    for (std::int64_t k = j + 1; k < n; ++k)
      if (values[k] > values[most]) most = k;
    if (most != j) {
      std::swap(values[j], values[most]);
      swap_columns(u, j, most);
      swap_columns(v, j, most);
    }
    if (values[j] > epsilon * values[0])
      scale_column(u, j, 1 / values[j]);
    else
      complete_column(u, j);
    if (is_to_be_negated(v, j)) {
      scale_column(u, j, T(-1));
      scale_column(v, j, T(-1));
    }
  }
  for (std::int64_t j = 0; j < n; ++j) values[j] *= norm;
  return true;
}

} // namespace kroton::ops
