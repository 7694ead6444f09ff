#pragma once
/// Factorisations of matrices of a few rows, whose order is known to the compiler: straight-line
/// code on local variables, so that a processor works on several matrices of a stack at once.
///
///   visit_order(n, [&]<int N>(std::integral_constant<int, N>) { small_cholesky<N>(a, l); });
#include <cmath>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "lib/ops/dense.hpp"

namespace kroton::jit {

inline constexpr std::int64_t largest_small = 8;

/// `f` of n as a constant, for 1 to 8.
template <class F> void visit_order(std::int64_t n, const F& f) {
  switch (n) {
  case 1:
    return f(std::integral_constant<int, 1>{});
  case 2:
    return f(std::integral_constant<int, 2>{});
  case 3:
    return f(std::integral_constant<int, 3>{});
  case 4:
    return f(std::integral_constant<int, 4>{});
  case 5:
    return f(std::integral_constant<int, 5>{});
  case 6:
    return f(std::integral_constant<int, 6>{});
  case 7:
    return f(std::integral_constant<int, 7>{});
  default:
    return f(std::integral_constant<int, 8>{});
  }
}

/// Reads a's lower triangle and writes all of l, which may be a. Gives the order of the first minor
/// that is not positive.
template <int N, class T>
[[gnu::always_inline]] inline std::optional<std::int64_t>
small_cholesky(const ops::MatrixView<T>& a, const ops::MatrixView<T>& l) {
  T v[N][N];
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i)
#pragma GCC unroll 8
    for (int j = 0; j <= i; ++j) v[i][j] = a.at(i, j);
  int failed = 0;
#pragma GCC unroll 8
  for (int j = 0; j < N; ++j) {
    T pivot = v[j][j];
#pragma GCC unroll 8
    for (int k = 0; k < j; ++k) pivot -= v[j][k] * v[j][k];
    if (!(pivot > 0) && failed == 0) failed = j + 1;
    v[j][j] = std::sqrt(pivot > 0 ? pivot : T(0));
    const T reciprocal = 1 / v[j][j];
#pragma GCC unroll 8
    for (int i = j + 1; i < N; ++i) {
      T x = v[i][j];
#pragma GCC unroll 8
      for (int k = 0; k < j; ++k) x -= v[i][k] * v[j][k];
      v[i][j] = x * reciprocal;
    }
  }
  if (failed != 0) [[unlikely]]
    return failed;
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) l.at(i, j) = j <= i ? v[i][j] : T(0);
  return std::nullopt;
}

/// As factor_lu; `factor` is the transpose, and the order of rows, as systems.hpp says.
template <int N, class T>
[[gnu::always_inline]] inline void small_lu(const ops::MatrixView<T>& a,
                                            const ops::MatrixView<T>& factor) {
  T v[N][N];
  T from[N];
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) {
    from[i] = static_cast<T>(i);
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) v[i][j] = a.at(i, j);
  }
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) {
    // Each row is exchanged with row k or left, so that nothing is indexed by a number that is not
    // a constant.
    int pivot = k;
    T most = std::fabs(v[k][k]);
#pragma GCC unroll 8
    for (int i = k + 1; i < N; ++i) {
      const bool is_larger = std::fabs(v[i][k]) > most;
      most = is_larger ? std::fabs(v[i][k]) : most;
      pivot = is_larger ? i : pivot;
    }
#pragma GCC unroll 8
    for (int i = k + 1; i < N; ++i) {
      const bool is_pivot = i == pivot;
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) {
        const T upper = v[k][j], lower = v[i][j];
        v[k][j] = is_pivot ? lower : upper;
        v[i][j] = is_pivot ? upper : lower;
      }
      const T upper = from[k], lower = from[i];
      from[k] = is_pivot ? lower : upper;
      from[i] = is_pivot ? upper : lower;
    }
    const T divisor = v[k][k] == 0 ? T(1) : v[k][k];
#pragma GCC unroll 8
    for (int i = k + 1; i < N; ++i) {
      const T x = v[i][k] /= divisor;
#pragma GCC unroll 8
      for (int j = k + 1; j < N; ++j) v[i][j] -= x * v[k][j];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) {
    factor.at(N, i) = from[i];
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) factor.at(j, i) = v[i][j];
  }
}

/// One right side of `factor`, as small_lu leaves it. Gives the first pivot that is 0.
template <int N, class T>
[[gnu::always_inline]] inline std::optional<std::int64_t>
small_solve(const ops::MatrixView<T>& factor, const ops::MatrixView<T>& b, std::int64_t column,
            const ops::MatrixView<T>& x) {
  T y[N];
  int zero = -1;
#pragma GCC unroll 8
  for (int i = N - 1; i >= 0; --i)
    if (factor.at(i, i) == 0) zero = i;
  if (zero >= 0) [[unlikely]]
    return zero;
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) {
    y[i] = b.at(static_cast<std::int64_t>(factor.at(N, i)), column);
#pragma GCC unroll 8
    for (int j = 0; j < i; ++j) y[i] -= factor.at(j, i) * y[j];
  }
#pragma GCC unroll 8
  for (int i = N - 1; i >= 0; --i) {
#pragma GCC unroll 8
    for (int j = i + 1; j < N; ++j) y[i] -= factor.at(j, i) * y[j];
    y[i] /= factor.at(i, i);
  }
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) x.at(i, column) = y[i];
  return std::nullopt;
}

} // namespace kroton::jit
