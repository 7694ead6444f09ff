#pragma once
/// What the functions of linear algebra on the CPU share: matrices of arrays, one after the other
/// or on several threads, and LAPACK's conventions.
///
/// LAPACK's matrices are column by column. A row-major matrix is the transpose of what LAPACK sees
/// in its memory: its lower triangle is LAPACK's upper one, and a product from the left is one from
/// the right.
#include <algorithm>
#include <climits>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <span>
#include <type_traits>

#include "jit/cpu/lapack.hpp"
#include "jit/cpu/library.hpp"
#include "lib/ops/dense.hpp"

namespace kroton::jit {

/// Matrices of fewer rows are not worth a call of LAPACK's.
inline constexpr std::int64_t library_from = 16;
/// Threads share the matrices of a stack if each gets so many multiplications.
inline constexpr std::int64_t work_of_thread = std::int64_t{1} << 16;

template <class T> using Matrix = ops::MatrixView<T>;
using ops::copy_matrix;

/// The matrices of an array, by number.
template <class T> class Stack {
public:
  explicit Stack(const CallArray& a) : a_(a), batch_axes_(a.shape.size() - 2) {
    for (std::size_t i = batch_axes_; i-- > 0;) {
      if (a.shape[i] == 1) continue;
      if (count_ == 1)
        step_ = a.strides[i];
      else
        is_regular_ = is_regular_ && a.strides[i] == step_ * count_;
      count_ *= a.shape[i];
    }
  }

  Matrix<T> operator[](std::int64_t batch) const {
    return {reinterpret_cast<T*>(a_.data) + (is_regular_ ? batch * step_ : offset(batch)),
            a_.shape[batch_axes_], a_.shape[batch_axes_ + 1], a_.strides[batch_axes_],
            a_.strides[batch_axes_ + 1]};
  }

private:
  std::int64_t offset(std::int64_t batch) const {
    std::int64_t at = 0;
    for (std::size_t i = batch_axes_; i-- > 0;) {
      at += batch % a_.shape[i] * a_.strides[i];
      batch /= a_.shape[i];
    }
    return at;
  }

  const CallArray& a_;
  std::size_t batch_axes_;
  std::int64_t count_ = 1, step_ = 0; ///< so far; from one matrix to the next
  bool is_regular_ = true;            ///< all are `step_` apart
};

inline std::int64_t numel_of(std::span<const std::int64_t> shape) {
  std::int64_t n = 1;
  for (std::int64_t d : shape) n *= d;
  return n;
}

/// `f(batch, worker)` for each matrix of the result, which takes about `work` multiplications. It
/// gives what failed, as the failure's value; the failure of the first matrix that has one is the
/// call's.
template <class F> void for_each_matrix(CpuCall& c, double work, const F& f) {
  struct Shared {
    const F& f;
    std::mutex mutex;
    std::int64_t first = -1, value = 0;
  } shared{f, {}, -1, 0};
  const auto body = [](void* frame, long begin, long end, int worker) {
    auto& s = *static_cast<Shared*>(frame);
    for (long batch = begin; batch < end; ++batch) {
      const std::optional<std::int64_t> failed = s.f(batch, worker);
      if (!failed) continue;
      const std::lock_guard lock(s.mutex);
      if (s.first >= 0 && s.first <= batch) continue;
      s.first = batch;
      s.value = *failed;
    }
  };
  const auto grain = static_cast<long>(static_cast<double>(work_of_thread) / (work + 1)) + 1;
  const auto& shape = c.operands[0].shape;
  c.runtime->parallel_for(c.runtime, numel_of(shape.first(shape.size() - 2)), grain, body, &shared);
  if (shared.first >= 0) c.failure = ir::Failure{1, 0, shared.value, shared.first};
}

inline bool fits_int(std::int64_t n) { return n <= INT_MAX; }

/// The distance between the rows of a matrix whose rows are dense, if LAPACK can be told it.
template <class T> std::optional<int> leading(const Matrix<T>& m) {
  const std::int64_t least = std::max<std::int64_t>(m.cols, 1);
  const std::int64_t distance = m.rows <= 1 ? least : m.row;
  if ((m.col != 1 && m.cols > 1) || distance < least || !fits_int(distance)) return std::nullopt;
  return static_cast<int>(distance);
}

/// The single or the double precision routine.
template <class T, class Function> Function routine(const char* single, const char* twice) {
  return lapack_routine<Function>(std::is_same_v<T, float> ? single : twice);
}

template <class F> void visit_float(DType dtype, F f) {
  if (dtype == DType::f32)
    f(std::type_identity<float>{});
  else
    f(std::type_identity<double>{});
}

template <class T> void fill_with_nan(const Matrix<T>& m) {
  for (std::int64_t i = 0; i < m.rows; ++i)
    for (std::int64_t j = 0; j < m.cols; ++j) m.at(i, j) = std::numeric_limits<T>::quiet_NaN();
}

} // namespace kroton::jit
