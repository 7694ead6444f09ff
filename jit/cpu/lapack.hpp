#pragma once
/// A LAPACK of the system's, for the functions of linear algebra that are library calls.
///
///   using Potrf = void (*)(const char* uplo, const int* n, double* a, const int* lda, int* info,
///                          std::size_t uplo_length);
///   const auto potrf = lapack_routine<Potrf>("dpotrf_");   // null without a LAPACK
///
/// KROTON_LAPACK names the library; without it the first that is found of OpenBLAS, MKL and the
/// reference LAPACK is opened when the first function needs it. Without any, functions of ours do
/// the same work more slowly.
#include <string>

namespace kroton::jit {

/// A routine of the Fortran interface, with 32-bit integers, or of the BLAS behind it; null if
/// there is none.
void* find_lapack_routine(const char* name);

template <class Function> Function lapack_routine(const char* name) {
  return reinterpret_cast<Function>(find_lapack_routine(name));
}

/// What computes linear algebra in this process, and why, in a line.
std::string lapack_description();

} // namespace kroton::jit
