#include "jit/cpu/blas.hpp"
#include "jit/cpu/each_level.hpp"
#include "jit/cpu/numeric_library.hpp"
#include "jit/run/pool.hpp"
#include "lib/support/environment.hpp"
#include "lib/support/log.hpp"

#include <algorithm>
#include <climits>
#include <optional>
#include <utility>
#include <vector>

#include <dlfcn.h>
#include <fmt/format.h>

namespace kroton::jit {
namespace {

constexpr int row_major = 101, no_trans = 111,
              trans = 112; // CblasRowMajor, CblasNoTrans, CblasTrans

std::optional<Blas> find() {
  static constexpr const char* files[] = {"libopenblas.so.0", "libopenblas.so", "libblis.so.4",
                                          "libblis.so.3",     "libmkl_rt.so.2", "libmkl_rt.so",
                                          "libcblas.so.3",    "libcblas.so",    "libblas.so.3"};
  auto library = find_numeric_library({.variable = "KROTON_BLAS",
                                       .unless_set = "off",
                                       .files = files,
                                       .symbols = {"cblas_sgemm", "cblas_dgemm"}});
  if (!library) return std::nullopt;
  return Blas{reinterpret_cast<Blas::Sgemm>(dlsym(library->handle, "cblas_sgemm")),
              reinterpret_cast<Blas::Dgemm>(dlsym(library->handle, "cblas_dgemm")),
              std::move(library->name)};
}

void product(const Blas& b, int ta, int tb, int m, int n, int k, float alpha, const float* a,
             int lda, const float* x, int ldb, float beta, float* c, int ldc) {
  b.sgemm(row_major, ta, tb, m, n, k, alpha, a, lda, x, ldb, beta, c, ldc);
}
void product(const Blas& b, int ta, int tb, int m, int n, int k, double alpha, const double* a,
             int lda, const double* x, int ldb, double beta, double* c, int ldc) {
  b.dgemm(row_major, ta, tb, m, n, k, alpha, a, lda, x, ldb, beta, c, ldc);
}

template <class T> struct Matrix {
  T* data;
  long rows, cols, row, col;

  Matrix transposed() const { return {data, cols, rows, col, row}; }
  T& at(long i, long j) const { return data[i * row + j * col]; }
};

/// The distance between rows that BLAS should be told, if the elements of a row are adjacent and
/// the rows do not run into each other; an axis of length 1 may have any stride.
template <class T> std::optional<int> leading(const Matrix<T>& x) {
  const bool is_dense_row = x.col == 1 || x.cols <= 1;
  const long distance = x.rows <= 1 ? std::max(x.cols, 1L) : x.row;
  if (!is_dense_row || distance < std::max(x.cols, 1L) || distance > INT_MAX) return std::nullopt;
  return static_cast<int>(distance);
}

template <class T> bool is_blas_ready(const Matrix<T>& x) {
  return leading(x) || leading(x.transposed());
}

/// Copies into adjacent rows. `storage` holds the copy.
template <class T, class From>
Matrix<T> packed(const Matrix<From>& x, std::vector<std::remove_const_t<T>>& storage,
                 bool copies_values = true) {
  storage.resize(static_cast<std::size_t>(x.rows * x.cols));
  if (copies_values)
    for (long i = 0; i < x.rows; ++i)
      for (long j = 0; j < x.cols; ++j)
        storage[static_cast<std::size_t>(i * x.cols + j)] = x.at(i, j);
  return {storage.data(), x.rows, x.cols, x.cols, 1};
}

template <class T> void scale(const Matrix<T>& c, T beta) {
  for (long i = 0; i < c.rows; ++i)
    for (long j = 0; j < c.cols; ++j) c.at(i, j) = beta == T(0) ? T(0) : beta * c.at(i, j);
}

template <class T> struct PlainProduct {
  T alpha, beta;
  Matrix<const T> a, b; ///< b and c have adjacent elements in a row.
  Matrix<T> c;
};

/// Rows [begin, end) of c, `height` at a time, so that a line of b is read once for all of them.
template <int height, class T>
[[gnu::always_inline]] inline long product_rows(const PlainProduct<T>& f, long begin, long end) {
  constexpr long width = 256; // the piece of the rows that stays in the first-level cache
  alignas(64) T sums[height][width];
  long i = begin;
  for (; i + height <= end; i += height)
    for (long from = 0; from < f.c.cols; from += width) {
      const long count = std::min(width, f.c.cols - from);
      for (int r = 0; r < height; ++r) std::fill_n(sums[r], count, T(0));
      for (long p = 0; p < f.a.cols; ++p) {
        const T* __restrict line = &f.b.at(p, from);
        T factor[height];
        for (int r = 0; r < height; ++r) factor[r] = f.a.at(i + r, p);
        for (int r = 0; r < height; ++r) {
          T* __restrict row = sums[r];
          for (long j = 0; j < count; ++j) row[j] += factor[r] * line[j];
        }
      }
      for (int r = 0; r < height; ++r) {
        T* out = &f.c.at(i + r, from);
        for (long j = 0; j < count; ++j)
          out[j] = f.beta == T(0) ? f.alpha * sums[r][j] : f.alpha * sums[r][j] + f.beta * out[j];
      }
    }
  return i;
}

KROTON_EACH_LEVEL void rows_of(const PlainProduct<float>& f, long begin, long end) {
  product_rows<1>(f, product_rows<4>(f, begin, end), end);
}
KROTON_EACH_LEVEL void rows_of(const PlainProduct<double>& f, long begin, long end) {
  product_rows<1>(f, product_rows<4>(f, begin, end), end);
}

/// Each row of c is one thread's from beginning to end, and its sums run over k in order, so the
/// result does not depend on the number of threads.
template <class T>
void plain_product(T alpha, const Matrix<const T>& a, const Matrix<const T>& b, T beta,
                   const Matrix<T>& c) {
  PlainProduct<T> all{alpha, beta, a, b, c};
  const auto body = [](void* frame, long begin, long end, int) {
    rows_of(*static_cast<const PlainProduct<T>*>(frame), begin, end);
  };
  const long work_per_row = std::max(a.cols * c.cols, 1L);
  Pool::process().parallel_for(c.rows, std::max(4L, 65536 / work_per_row), thread_count(), body,
                               &all);
}

template <class T>
void any_product(T alpha, Matrix<const T> a, Matrix<const T> b, T beta, Matrix<T> c) {
  if (c.rows <= 0 || c.cols <= 0) return;
  if (a.cols <= 0) return scale(c, beta);
  // c is written by rows; c = a·b read by columns is cᵀ = bᵀ·aᵀ.
  if (!leading(c) && leading(c.transposed())) {
    const Matrix<const T> left = b.transposed();
    b = a.transposed();
    a = left;
    c = c.transposed();
  }
  std::vector<T> a_copy, b_copy, c_copy;
  const Matrix<T> target = c;
  const bool has_own_c = !leading(c);
  if (has_own_c) c = packed<T>(target, c_copy, beta != T(0));

  const bool fits_int = std::max({c.rows, c.cols, a.cols}) <= INT_MAX;
  if (const Blas* library = fits_int ? blas() : nullptr) {
    if (!is_blas_ready(a)) a = packed<const T>(a, a_copy);
    if (!is_blas_ready(b)) b = packed<const T>(b, b_copy);
    const auto side = [](const Matrix<const T>& x) {
      if (const auto straight = leading(x)) return std::pair(no_trans, *straight);
      return std::pair(trans, *leading(x.transposed()));
    };
    const auto [a_trans, a_leading] = side(a);
    const auto [b_trans, b_leading] = side(b);
    product(*library, a_trans, b_trans, static_cast<int>(c.rows), static_cast<int>(c.cols),
            static_cast<int>(a.cols), alpha, a.data, a_leading, b.data, b_leading, beta, c.data,
            *leading(c));
  } else {
    if (b.col != 1) b = packed<const T>(b, b_copy);
    plain_product(alpha, a, b, beta, c);
  }
  if (has_own_c)
    for (long i = 0; i < c.rows; ++i)
      for (long j = 0; j < c.cols; ++j) target.at(i, j) = c.at(i, j);
}

} // namespace

const Blas* blas() {
  static const std::optional<Blas> library = [] {
    auto found = find();
    support::log(support::Area::jit)
        ->debug("matrix products: {}", found ? found->name : "generated code");
    return found;
  }();
  return library ? &*library : nullptr;
}

std::string blas_description() {
  const std::string chosen = support::variable("KROTON_BLAS");
  if (const Blas* library = blas())
    return fmt::format(
        "{}, {} threads, for large f32 and f64 products, because KROTON_BLAS={}; generated "
        "code for the others",
        library->name, thread_count(), chosen);
  if (!chosen.empty() && chosen != "off")
    return fmt::format("generated code, {} threads, because KROTON_BLAS={} cannot be used",
                       thread_count(), chosen);
  return fmt::format("generated code, {} threads; KROTON_BLAS would name a library to use instead",
                     thread_count());
}

void gemm(long m, long n, long k, float alpha, const float* a, long a_row, long a_col,
          const float* b, long b_row, long b_col, float beta, float* c, long c_row, long c_col) {
  any_product<float>(alpha, {a, m, k, a_row, a_col}, {b, k, n, b_row, b_col}, beta,
                     {c, m, n, c_row, c_col});
}

void gemm(long m, long n, long k, double alpha, const double* a, long a_row, long a_col,
          const double* b, long b_row, long b_col, double beta, double* c, long c_row, long c_col) {
  any_product<double>(alpha, {a, m, k, a_row, a_col}, {b, k, n, b_row, b_col}, beta,
                      {c, m, n, c_row, c_col});
}

} // namespace kroton::jit
