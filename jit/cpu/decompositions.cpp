/// Orthogonal factorisations on the CPU; what they give is said in lib/ops/decompositions.hpp.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "jit/cpu/lapack.hpp"
#include "jit/cpu/library.hpp"
#include "jit/cpu/matrices.hpp"
#include "lib/ops/decompositions.hpp"

namespace kroton::jit {
namespace {

/// Columns that LAPACK's blocked routines take at a time, at least as many as they would like.
constexpr std::int64_t most_of_block = 64;

/// Arrays in the memory that one worker has, one after the other.
class Room {
public:
  explicit Room(std::byte* at) : at_(at) {}
  template <class T> T* take(std::int64_t count) {
    T* const here = reinterpret_cast<T*>(at_ + used_);
    used_ += (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return here;
  }
  std::size_t used() const { return used_; }

private:
  std::byte* at_;
  std::size_t used_ = 0;
};

/// The bytes of what `Arrays` takes for a call's matrices, for each worker. Which of both dtypes a
/// call has makes little of a difference.
template <template <class> class Arrays> std::size_t workspace_of(const CpuCall& c) {
  const auto& shape = c.operands[0].shape;
  Room room(nullptr);
  const std::int64_t m = shape[shape.size() - 2], n = shape.back();
  if (c.operands[0].dtype == DType::f32)
    Arrays<float>(room, m, n);
  else
    Arrays<double>(room, m, n);
  return room.used() * static_cast<std::size_t>(c.threads);
}

/// `f(batch, arrays)` for each matrix, which takes about `work` multiplications.
template <template <class> class Arrays, class T, class F>
void for_each_with_room(CpuCall& c, double work, const F& f) {
  const auto& shape = c.operands[0].shape;
  const std::int64_t m = shape[shape.size() - 2], n = shape.back();
  Room measured(nullptr);
  Arrays<T>(measured, m, n);
  for_each_matrix(c, work, [&](std::int64_t batch, int worker) {
    Room room(c.workspace + static_cast<std::size_t>(worker) * measured.used());
    return f(batch, Arrays<T>(room, m, n));
  });
}

double cubed(std::int64_t m, std::int64_t n) {
  return static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(std::min(m, n));
}

constexpr auto succeeded = std::optional<std::int64_t>();

// ---- q r

template <class T>
using Gelqf = void (*)(const int* m, const int* n, T* a, const int* lda, T* tau, T* work,
                       const int* lwork, int* info);
template <class T>
using Orglq = void (*)(const int* m, const int* n, const int* k, T* a, const int* lda, const T* tau,
                       T* work, const int* lwork, int* info);

template <class T> struct QrArrays {
  QrArrays(Room& room, std::int64_t m, std::int64_t n)
      : a(room.take<T>(m * n)), tau(room.take<T>(n)), work(room.take<T>(n * most_of_block)) {}
  T *a, *tau, *work;
};

void factor_qr(CpuCall& c) {
  visit_float(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
    const Stack<T> as(c.operands[0]), results(c.results[0]);
    const std::int64_t n = c.results[0].shape.back();
    const std::int64_t m = c.operands[0].shape[c.operands[0].shape.size() - 2];
    const bool is_large = n >= library_from && fits_int(m) && fits_int(n * most_of_block);
    const auto gelqf = is_large ? routine<T, Gelqf<T>>("sgelqf_", "dgelqf_") : Gelqf<T>(nullptr);
    const auto orglq = is_large ? routine<T, Orglq<T>>("sorglq_", "dorglq_") : Orglq<T>(nullptr);
    for_each_with_room<QrArrays, T>(
        c, 2 * cubed(m, n), [&](std::int64_t batch, const QrArrays<T>& room) {
          const Matrix<T> packed = results[batch], q = packed.rows_from(0, m),
                          r = packed.rows_from(m, n);
          const bool is_called = gelqf != nullptr && orglq != nullptr;
          const Matrix<T> a = is_called ? q : Matrix<T>{room.a, m, n, n, 1};
          copy_matrix(a, as[batch]);
          const int rows = static_cast<int>(m), cols = static_cast<int>(n),
                    lwork = static_cast<int>(n * most_of_block);
          int info = 0;
          // Its transpose is l q there: what is lower here is upper there.
          if (is_called)
            gelqf(&cols, &rows, a.data, &cols, room.tau, room.work, &lwork, &info);
          else
            ops::factor_qr(a, room.tau);
          for (std::int64_t i = 0; i < n; ++i)
            for (std::int64_t j = 0; j < n; ++j) r.at(i, j) = j >= i ? a.at(i, j) : T(0);
          if (is_called)
            orglq(&cols, &rows, &cols, a.data, &cols, room.tau, room.work, &lwork, &info);
          else
            ops::make_q(a, room.tau, q);
          return succeeded;
        });
  });
}

// ---- eigenvalues of symmetric matrices

template <class T>
using Syevd = void (*)(const char* job, const char* uplo, const int* n, T* a, const int* lda,
                       T* values, T* work, const int* lwork, int* iwork, const int* liwork,
                       int* info, std::size_t, std::size_t);

std::int64_t work_of_syevd(std::int64_t n) { return 1 + 6 * n + 2 * n * n; }

template <class T> struct EighArrays {
  EighArrays(Room& room, std::int64_t, std::int64_t n)
      : a(room.take<T>(n * n)), vectors(room.take<T>(n * n)), work(room.take<T>(work_of_syevd(n))),
        iwork(room.take<int>(3 + 5 * n)) {}
  T *a, *vectors, *work;
  int* iwork;
};

/// Whether the lower triangle is finite: LAPACK may not return otherwise.
template <class T> bool is_finite(const Matrix<T>& a, bool lower_alone) {
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t j = 0; j < (lower_alone ? i + 1 : a.cols); ++j)
      if (!std::isfinite(a.at(i, j))) return false;
  return true;
}

void factor_eigh(CpuCall& c) {
  visit_float(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
    const bool has_vectors = c.numbers[0] != 0, gives_nan = c.numbers[1] != 0;
    const Stack<T> as(c.operands[0]), results(c.results[0]);
    const std::int64_t n = c.results[0].shape.back();
    const bool is_large = n >= library_from && fits_int(work_of_syevd(n));
    const auto syevd = is_large ? routine<T, Syevd<T>>("ssyevd_", "dsyevd_") : Syevd<T>(nullptr);
    const auto decompose = [&](const Matrix<T>& given, const Matrix<T>& packed,
                               const EighArrays<T>& room) {
      if (!is_finite(given, true)) return false;
      const Matrix<T> a{room.a, n, n, n, 1};
      copy_matrix(a, given);
      if (!syevd) {
        const Matrix<T> vectors{room.vectors, n, n, 1, n};
        if (!ops::factor_eigh(a, packed.data, vectors)) return false;
        if (has_vectors) copy_matrix(packed.rows_from(1, n), vectors.transposed());
        return true;
      }
      const int order = static_cast<int>(n), lwork = static_cast<int>(work_of_syevd(n)),
                liwork = static_cast<int>(3 + 5 * n);
      int info = 0;
      syevd(has_vectors ? "V" : "N", "U", &order, a.data, &order, packed.data, room.work, &lwork,
            room.iwork, &liwork, &info, 1, 1);
      if (info != 0) return false;
      for (std::int64_t k = 0; has_vectors && k < n; ++k) { // its columns are rows here
        const T sign = ops::is_to_be_negated(a.transposed(), k) ? T(-1) : T(1);
        for (std::int64_t i = 0; i < n; ++i) packed.at(1 + k, i) = sign * a.at(k, i);
      }
      return true;
    };
    for_each_with_room<EighArrays, T>(
        c, 4 * cubed(n, n),
        [&](std::int64_t batch, const EighArrays<T>& room) -> std::optional<std::int64_t> {
          const Matrix<T> packed = results[batch];
          if (decompose(as[batch], packed, room)) return succeeded;
          if (!gives_nan) return 0;
          fill_with_nan(packed);
          return succeeded;
        });
  });
}

// ---- singular values

template <class T>
using Gesdd = void (*)(const char* job, const int* m, const int* n, T* a, const int* lda, T* values,
                       T* u, const int* ldu, T* vt, const int* ldvt, T* work, const int* lwork,
                       int* iwork, int* info, std::size_t);

std::int64_t work_of_gesdd(std::int64_t m, std::int64_t n) {
  const std::int64_t k = std::min(m, n);
  return 5 * k * k + 10 * k + most_of_block * (m + n);
}

/// u is [m, k], v [n, k].
template <class T> struct SvdArrays {
  SvdArrays(Room& room, std::int64_t m, std::int64_t n)
      : k(std::min(m, n)), a(room.take<T>(m * n)), u(room.take<T>(m * k)), v(room.take<T>(n * k)),
        values(room.take<T>(k)), work(room.take<T>(work_of_gesdd(m, n))),
        iwork(room.take<int>(8 * k)) {}
  std::int64_t k;
  T *a, *u, *v, *values, *work;
  int* iwork;
};

template <class T> class SingularValues {
public:
  SingularValues(std::int64_t m, std::int64_t n)
      : m_(m), n_(n), k_(std::min(m, n)), gesdd_(k_ >= library_from && fits_int(work_of_gesdd(m, n))
                                                     ? routine<T, Gesdd<T>>("sgesdd_", "dgesdd_")
                                                     : nullptr) {}

  /// What `room` has then: values, and vectors if they are asked for. False: it has not converged.
  bool find(const Matrix<T>& given, bool has_vectors, const SvdArrays<T>& room) const {
    if (!is_finite(given, false)) return false;
    const Matrix<T> u{room.u, m_, k_, k_, 1}, v{room.v, n_, k_, 1, n_};
    if (!gesdd_) {
      // Of more rows than columns, u holds the matrix.
      const bool is_wide = m_ < n_;
      const Matrix<T>&tall = is_wide ? v : u, &square = is_wide ? u : v;
      copy_matrix(tall, is_wide ? given.transposed() : given);
      if (!ops::factor_svd(tall, room.values, square)) return false;
      if (is_wide) set_signs(u, v);
      return true;
    }
    const Matrix<T> a{room.a, m_, n_, n_, 1};
    copy_matrix(a, given);
    const int m = static_cast<int>(m_), n = static_cast<int>(n_), k = static_cast<int>(k_),
              lwork = static_cast<int>(work_of_gesdd(m_, n_));
    int info = 0;
    // Of the transpose that it sees, v is what is on the left.
    gesdd_(has_vectors ? "S" : "N", &n, &m, a.data, &n, room.values, room.v, &n, room.u, &k,
           room.work, &lwork, room.iwork, &info, 1);
    if (info != 0) return false;
    if (has_vectors) set_signs(u, v);
    return true;
  }

private:
  void set_signs(const Matrix<T>& u, const Matrix<T>& v) const {
    for (std::int64_t j = 0; j < k_; ++j) {
      if (!ops::is_to_be_negated(v, j)) continue;
      ops::scale_column(u, j, T(-1));
      ops::scale_column(v, j, T(-1));
    }
  }

  std::int64_t m_, n_, k_;
  Gesdd<T> gesdd_;
};

void factor_svd(CpuCall& c) {
  visit_float(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
    const bool has_vectors = c.numbers[0] != 0, gives_nan = c.numbers[1] != 0;
    const Stack<T> as(c.operands[0]), results(c.results[0]);
    const auto& shape = c.operands[0].shape;
    const std::int64_t m = shape[shape.size() - 2], n = shape.back(), k = std::min(m, n);
    const SingularValues<T> singular(m, n);
    for_each_with_room<SvdArrays, T>(
        c, 8 * cubed(m, n),
        [&](std::int64_t batch, const SvdArrays<T>& room) -> std::optional<std::int64_t> {
          const Matrix<T> packed = results[batch];
          if (!singular.find(as[batch], has_vectors, room)) {
            if (!gives_nan) return 0;
            fill_with_nan(packed);
            return succeeded;
          }
          std::copy_n(room.values, k, packed.data);
          if (!has_vectors) return succeeded;
          copy_matrix(packed.rows_from(1, m), Matrix<T>{room.u, m, k, k, 1});
          copy_matrix(packed.rows_from(1 + m, n), Matrix<T>{room.v, n, k, 1, n});
          return succeeded;
        });
  });
}

void pseudoinverse(CpuCall& c) {
  visit_float(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
    const Stack<T> as(c.operands[0]), results(c.results[0]);
    const auto& shape = c.operands[0].shape;
    const std::int64_t m = shape[shape.size() - 2], n = shape.back(), k = std::min(m, n);
    const T rcond = *reinterpret_cast<const T*>(c.operands[1].data);
    const SingularValues<T> singular(m, n);
    for_each_with_room<SvdArrays, T>(
        c, 8 * cubed(m, n),
        [&](std::int64_t batch, const SvdArrays<T>& room) -> std::optional<std::int64_t> {
          if (!singular.find(as[batch], true, room)) return 0;
          const Matrix<T> p = results[batch], u{room.u, m, k, k, 1}, v{room.v, n, k, 1, n};
          for (std::int64_t i = 0; i < n; ++i) std::fill_n(&p.at(i, 0), m, T(0));
          for (std::int64_t r = 0; r < k && room.values[r] > rcond * room.values[0]; ++r) {
            for (std::int64_t j = 0; j < m; ++j) room.work[j] = u.at(j, r) / room.values[r];
            for (std::int64_t i = 0; i < n; ++i) {
              const T factor = v.at(i, r);
              T* const row = &p.at(i, 0);
              for (std::int64_t j = 0; j < m; ++j) row[j] += factor * room.work[j];
            }
          }
          return succeeded;
        });
  });
}

constexpr CpuFunction functions[] = {
    {&ops::qr_factor, workspace_of<QrArrays>, factor_qr},
    {&ops::eigh_factor, workspace_of<EighArrays>, factor_eigh},
    {&ops::svd_factor, workspace_of<SvdArrays>, factor_svd},
    {&ops::pseudoinverse, workspace_of<SvdArrays>, pseudoinverse},
};

} // namespace

std::span<const CpuFunction> decomposition_functions() { return functions; }

} // namespace kroton::jit
