/// Linear algebra on the CPU, matrix by matrix: a LAPACK's routines where there is one and the
/// matrix is not tiny, else loops of ours.
#include <algorithm>
#include <cmath>
#include <optional>

#include "jit/cpu/lapack.hpp"
#include "jit/cpu/library.hpp"
#include "jit/cpu/matrices.hpp"
#include "jit/cpu/small_matrices.hpp"
#include "lib/ops/linear_algebra.hpp"
#include "lib/ops/systems.hpp"

namespace kroton::jit {
namespace {

// ---- triangular systems; numbers: see Triangular

template <class T>
using Trsm = void (*)(const char* side, const char* uplo, const char* trans, const char* diag,
                      const int* m, const int* n, const T* alpha, const T* a, const int* lda, T* b,
                      const int* ldb, std::size_t, std::size_t, std::size_t, std::size_t);

/// a is lower or upper triangular; x holds the right sides.
template <class T> struct TriangularSystem {
  Matrix<T> a, x;
  bool is_lower, has_units;

  std::optional<std::int64_t> zero_on_diagonal() const {
    if (has_units) return std::nullopt;
    for (std::int64_t i = 0; i < a.rows; ++i)
      if (a.at(i, i) == 0) return i;
    return std::nullopt;
  }

  /// Rows of x are dense, so that the inner loop runs along them.
  void solve() const {
    const std::int64_t n = a.rows;
    for (std::int64_t step = 0; step < n; ++step) {
      const std::int64_t i = is_lower ? step : n - 1 - step;
      T* __restrict row = &x.at(i, 0);
      for (std::int64_t j = is_lower ? 0 : i + 1; j < (is_lower ? i : n); ++j) {
        const T factor = a.at(i, j);
        const T* __restrict known = &x.at(j, 0);
        for (std::int64_t k = 0; k < x.cols; ++k) row[k] -= factor * known[k];
      }
      if (has_units) continue;
      const T pivot = a.at(i, i);
      for (std::int64_t k = 0; k < x.cols; ++k) row[k] /= pivot;
    }
  }

  /// `room` takes a copy of a where LAPACK cannot be told how that is.
  void solve_by(Trsm<T> trsm, T* room) const {
    Matrix<T> told = a;
    if (!leading(a) && !leading(a.transposed())) {
      told = {room, a.rows, a.cols, a.cols, 1};
      copy_matrix(told, a);
    }
    const std::optional<int> by_rows = leading(told);
    const int lda = by_rows ? *by_rows : *leading(told.transposed());
    const int m = static_cast<int>(x.cols), n = static_cast<int>(x.rows),
              ldb = static_cast<int>(std::max<std::int64_t>(x.row, 1));
    const T one = 1;
    // x by columns is its transpose, and transpose(x) transpose(a) = transpose(b).
    trsm("R", is_lower == by_rows.has_value() ? "U" : "L", by_rows ? "N" : "T",
         has_units ? "U" : "N", &m, &n, &one, told.data, &lda, x.data, &ldb, 1, 1, 1, 1);
  }
};

/// Whether a triangular system is for LAPACK, as far as sizes tell.
bool is_large(const CallArray& x) {
  const std::int64_t n = x.shape[x.shape.size() - 2], k = x.shape.back();
  return n >= library_from && fits_int(n) && fits_int(k);
}

std::size_t workspace_of_triangular(const CpuCall& c) {
  const CallArray& x = c.results[0];
  if (!is_large(x)) return 0;
  const auto n = static_cast<std::size_t>(x.shape[x.shape.size() - 2]);
  return n * n * item_size(x.dtype) * static_cast<std::size_t>(c.threads);
}

void solve_triangular(CpuCall& c) {
  visit_float(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
    const bool lower = c.numbers[0] != 0, transposed = c.numbers[1] != 0, units = c.numbers[2] != 0;
    const CallArray& result = c.results[0];
    const auto trsm = is_large(result) ? routine<T, Trsm<T>>("strsm_", "dtrsm_") : Trsm<T>(nullptr);
    const std::int64_t n = result.shape[result.shape.size() - 2], k = result.shape.back();
    const double work =
        0.5 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(k);
    const Stack<T> as(c.operands[0]), bs(c.operands[1]), xs(result);
    for_each_matrix(c, work, [&](std::int64_t batch, int worker) -> std::optional<std::int64_t> {
      const Matrix<T> a = as[batch], x = xs[batch];
      const TriangularSystem<T> system{transposed ? a.transposed() : a, x, lower != transposed,
                                       units};
      if (const auto zero = system.zero_on_diagonal()) return zero;
      copy_matrix(x, bs[batch]);
      if (x.cols == 0) return std::nullopt;
      if (trsm)
        system.solve_by(trsm, reinterpret_cast<T*>(c.workspace) + worker * n * n);
      else
        system.solve();
      return std::nullopt;
    });
  });
}

// ---- Cholesky factors

template <class T>
using Potrf = void (*)(const char* uplo, const int* n, T* a, const int* lda, int* info,
                       std::size_t);

/// Makes the factor of the lower triangle of a dense matrix; gives the order of the first minor
/// that is not positive.
template <class T> std::optional<std::int64_t> factor(const Matrix<T>& l) {
  for (std::int64_t i = 0; i < l.rows; ++i)
    for (std::int64_t j = 0; j <= i; ++j) {
      const T *left = &l.at(i, 0), *right = &l.at(j, 0);
      double v = left[j];
      for (std::int64_t k = 0; k < j; ++k)
        v -= static_cast<double>(left[k]) * static_cast<double>(right[k]);
      if (i == j && !(v > 0)) return i + 1;
      l.at(i, j) = static_cast<T>(i == j ? std::sqrt(v) : v / static_cast<double>(right[j]));
    }
  return std::nullopt;
}

template <class T> std::optional<std::int64_t> factor_by(Potrf<T> potrf, const Matrix<T>& l) {
  const int n = static_cast<int>(l.rows), lda = static_cast<int>(l.row);
  int info = 0;
  potrf("U", &n, l.data, &lda, &info, 1);
  if (info > 0) return info;
  for (std::int64_t i = 0; i < l.rows; ++i) // a NaN is told by some libraries and kept by others
    if (std::isnan(l.at(i, i))) return i + 1;
  return std::nullopt;
}

void cholesky(CpuCall& c) {
  visit_float(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
    const CallArray& result = c.results[0];
    const std::int64_t n = result.shape.back();
    const bool is_large = n >= library_from && fits_int(n);
    const auto potrf = is_large ? routine<T, Potrf<T>>("spotrf_", "dpotrf_") : Potrf<T>(nullptr);
    const double work =
        static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n) / 6;
    const bool gives_nan = c.numbers[0] != 0;
    const Stack<T> as(c.operands[0]), ls(result);
    const auto for_each = [&](const auto& factor_one) {
      for_each_matrix(c, work, [&](std::int64_t batch, int) -> std::optional<std::int64_t> {
        const Matrix<T> a = as[batch], l = ls[batch];
        const std::optional<std::int64_t> failed = factor_one(a, l);
        if (!failed || !gives_nan) return failed;
        fill_with_nan(l);
        return std::nullopt;
      });
    };
    if (n >= 1 && n <= largest_small)
      return visit_order(n, [&]<int N>(std::integral_constant<int, N>) {
        for_each([](const Matrix<T>& a, const Matrix<T>& l) {
          return small_cholesky<N>(a, Matrix<T>{l.data, N, N, N, 1});
        });
      });
    for_each([&](const Matrix<T>& a, const Matrix<T>& l) {
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t j = 0; j < n; ++j) l.at(i, j) = j <= i ? a.at(i, j) : T(0);
      return potrf ? factor_by<T>(potrf, l) : factor(l);
    });
  });
}

// ---- LU factors; see lib/ops/systems.hpp

template <class T>
using Getrf = void (*)(const int* m, const int* n, T* a, const int* lda, int* pivots, int* info);

/// Row numbers, for each worker.
std::size_t workspace_of_lu(const CpuCall& c) {
  return static_cast<std::size_t>(c.results[0].shape.back()) * sizeof(std::int64_t) *
         static_cast<std::size_t>(c.threads);
}

void factor_lu(CpuCall& c) {
  visit_float(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
    const std::int64_t n = c.results[0].shape.back();
    const bool is_large = n >= library_from && fits_int(n);
    const auto getrf = is_large ? routine<T, Getrf<T>>("sgetrf_", "dgetrf_") : Getrf<T>(nullptr);
    const double work =
        static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n) / 3;
    const Stack<T> as(c.operands[0]), factors(c.results[0]);
    if (n >= 1 && n <= largest_small)
      return visit_order(n, [&]<int N>(std::integral_constant<int, N>) {
        for_each_matrix(c, work, [&](std::int64_t batch, int) -> std::optional<std::int64_t> {
          small_lu<N>(as[batch], Matrix<T>{factors[batch].data, N + 1, N, N, 1});
          return std::nullopt;
        });
      });
    for_each_matrix(c, work, [&](std::int64_t batch, int worker) -> std::optional<std::int64_t> {
      const Matrix<T> factor = factors[batch], lu = factor.rows_from(0, n).transposed();
      auto* from = reinterpret_cast<std::int64_t*>(c.workspace) + worker * n;
      copy_matrix(lu, as[batch]);
      if (getrf) {
        auto* pivots = reinterpret_cast<int*>(from);
        const int order = static_cast<int>(n);
        int info = 0; // a pivot that is 0 is what whoever solves with it looks for
        getrf(&order, &order, factor.data, &order, pivots, &info);
        for (std::int64_t i = 0; i < n; ++i) factor.at(n, i) = static_cast<T>(i);
        for (std::int64_t i = 0; i < n; ++i)
          std::swap(factor.at(n, i), factor.at(n, pivots[i] - 1));
        return std::nullopt;
      }
      ops::factor_lu(lu, from);
      for (std::int64_t i = 0; i < n; ++i) factor.at(n, i) = static_cast<T>(from[i]);
      return std::nullopt;
    });
  });
}

/// Each worker's right sides in another order, and a copy of a factor that LAPACK cannot be told.
std::size_t workspace_of_system(const CpuCall& c) {
  const CallArray& x = c.results[0];
  const auto n = static_cast<std::size_t>(x.shape[x.shape.size() - 2]),
             k = static_cast<std::size_t>(x.shape.back());
  return n * (k + n) * item_size(x.dtype) * static_cast<std::size_t>(c.threads);
}

void solve_with_factor(CpuCall& c) {
  visit_float(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
    const bool is_cholesky = c.numbers[0] != 0, transposed = c.numbers[1] != 0,
               gives_nan = c.numbers[2] != 0;
    const CallArray& result = c.results[0];
    const auto trsm = is_large(result) ? routine<T, Trsm<T>>("strsm_", "dtrsm_") : Trsm<T>(nullptr);
    const std::int64_t n = result.shape[result.shape.size() - 2], k = result.shape.back();
    const double work = static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(k);
    const Stack<T> factors(c.operands[1]), bs(c.operands[2]), xs(result);
    if (n >= 1 && n <= largest_small && !is_cholesky && !transposed)
      return visit_order(n, [&]<int N>(std::integral_constant<int, N>) {
        for_each_matrix(c, work, [&](std::int64_t batch, int) -> std::optional<std::int64_t> {
          const Matrix<T> factor = factors[batch], b = bs[batch], x = xs[batch];
          for (std::int64_t j = 0; j < k; ++j) {
            const std::optional<std::int64_t> zero = small_solve<N>(factor, b, j, x);
            if (!zero) continue;
            if (!gives_nan) return zero;
            fill_with_nan(x);
            break;
          }
          return std::nullopt;
        });
      });
    for_each_matrix(c, work, [&](std::int64_t batch, int worker) -> std::optional<std::int64_t> {
      const Matrix<T> factor = factors[batch], b = bs[batch], x = xs[batch];
      T* const room = reinterpret_cast<T*>(c.workspace) + worker * n * (k + n);
      const auto solve = [&](const Matrix<T>& a, const Matrix<T>& y, bool is_lower,
                             bool has_units) {
        const TriangularSystem<T> system{a, y, is_lower, has_units};
        if (trsm)
          system.solve_by(trsm, room + n * k);
        else
          system.solve();
      };
      if (k == 0) return std::nullopt;
      if (is_cholesky) {
        copy_matrix(x, b);
        solve(factor, x, true, false);
        solve(factor.transposed(), x, false, false);
        return std::nullopt;
      }
      const Matrix<T> lu = factor.rows_from(0, n).transposed();
      for (std::int64_t i = 0; i < n; ++i) {
        if (lu.at(i, i) != 0) continue;
        if (!gives_nan) return i;
        fill_with_nan(x);
        return std::nullopt;
      }
      const auto from = [&](std::int64_t i) { return static_cast<std::int64_t>(factor.at(n, i)); };
      if (!transposed) {
        for (std::int64_t i = 0; i < n; ++i)
          for (std::int64_t j = 0; j < k; ++j) x.at(i, j) = b.at(from(i), j);
        solve(lu, x, true, true);
        solve(lu, x, false, false);
        return std::nullopt;
      }
      const Matrix<T> y{room, n, k, k, 1};
      copy_matrix(y, b);
      solve(lu.transposed(), y, true, false);
      solve(lu.transposed(), y, false, true);
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t j = 0; j < k; ++j) x.at(from(i), j) = y.at(i, j);
      return std::nullopt;
    });
  });
}

void determinants(CpuCall& c) {
  visit_float(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
    const Stack<T> factors(c.operands[1]);
    T* const to = reinterpret_cast<T*>(c.results[0].data);
    const auto n = static_cast<double>(c.operands[0].shape.back());
    for_each_matrix(c, n * n, [&](std::int64_t batch, int) -> std::optional<std::int64_t> {
      const ops::Determinants<T> d = ops::determinants_of(factors[batch]);
      to[3 * batch] = d.determinant;
      to[3 * batch + 1] = d.sign;
      to[3 * batch + 2] = d.log_magnitude;
      return std::nullopt;
    });
  });
}

constexpr CpuFunction functions[] = {
    {&ops::cholesky, nullptr, cholesky},
    {&ops::solve_triangular, workspace_of_triangular, solve_triangular},
    {&ops::lu_factor, workspace_of_lu, factor_lu},
    {&ops::factor_solve, workspace_of_system, solve_with_factor},
    {&ops::lu_determinants, nullptr, determinants},
};

} // namespace

std::span<const CpuFunction> linear_algebra_functions() { return functions; }

} // namespace kroton::jit
