#pragma once
/// A CBLAS of the system's, where the user wants one in place of generated products.
///
///   if (const Blas* b = blas()) log("products through {}", b->name);
///   gemm(m, n, k, 1.0f, a, k, 1, b, n, 1, 0.0f, c, n, 1);   // with or without one
///
/// KROTON_BLAS=path names the library, KROTON_BLAS=auto takes the first that is found. Otherwise
/// there is none: generated products are as fast (`./dev bench --suite products`), start sooner and
/// share the threads of everything else.
#include <string>

namespace kroton::jit {

/// The two routines of the C interface that Kroton uses, with its enumerators as plain ints.
struct Blas {
  using Sgemm = void (*)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                         const float* a, int lda, const float* b, int ldb, float beta, float* c,
                         int ldc);
  using Dgemm = void (*)(int order, int trans_a, int trans_b, int m, int n, int k, double alpha,
                         const double* a, int lda, const double* b, int ldb, double beta, double* c,
                         int ldc);
  Sgemm sgemm = nullptr;
  Dgemm dgemm = nullptr;
  std::string name; ///< The library's file, then what it says of itself.
};

/// The library, opened by the first call, with `thread_count()` threads; null if there is none.
const Blas* blas();

/// What computes matrix products in this process, and why, in a line.
std::string blas_description();

/// c = alpha * a·b + beta * c for any strides, as Runtime::gemm_f32 says. Products that the library
/// takes as they are go to it; other strides are packed first; without one a plain blocked loop
/// works.
void gemm(long m, long n, long k, float alpha, const float* a, long a_row, long a_col,
          const float* b, long b_row, long b_col, float beta, float* c, long c_row, long c_col);
void gemm(long m, long n, long k, double alpha, const double* a, long a_row, long a_col,
          const double* b, long b_row, long b_col, double beta, double* c, long c_row, long c_col);

} // namespace kroton::jit
