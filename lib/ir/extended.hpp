#pragma once
/// How evaluators that compute read and write elements: evaluating widened, a float is a long
/// double, kept as the sum of two f64.
///
///   const Terms<T> from(c, 0);                     // of input 0
///   const Results<T> to(c, out);
///   to.set(i, from[i] + from[j]);
#include <cmath>
#include <limits>
#include <type_traits>

#include "lib/ir/op.hpp"

namespace kroton::ir {

/// The sign of a zero stays.
inline long double joined(double nearest, double remainder) {
  return remainder == 0 ? static_cast<long double>(nearest)
                        : static_cast<long double>(nearest) + remainder;
}

/// The elements of an input whose dtype is T's, row by row.
template <class T> class Terms {
public:
  Terms(const Array& nearest, const Array& remainder, bool is_widened)
      : nearest_(nearest.contiguous()), remainder_(remainder.contiguous()),
        at_(std::as_const(nearest_).template data<T>()) {
    if (std::is_same_v<T, double> && is_widened)
      rest_at_ = std::as_const(remainder_).template data<double>();
  }
  /// Of input k after `arrange`, which moves elements.
  template <class F>
  Terms(const EvalContext& c, std::size_t k, F arrange)
      : Terms(arrange(c.inputs[k]), c.remainders.empty() ? Array() : arrange(c.remainders[k]),
              !c.remainders.empty()) {}
  Terms(const EvalContext& c, std::size_t k) : Terms(c, k, [](const Array& a) { return a; }) {}

  auto operator[](std::int64_t i) const {
    if constexpr (std::is_same_v<T, double>)
      return rest_at_ ? joined(at_[i], rest_at_[i]) : static_cast<long double>(at_[i]);
    else
      return at_[i];
  }

private:
  Array nearest_, remainder_;
  const T* at_;
  const double* rest_at_ = nullptr;
};

/// Where the elements of the result go, which is `out` of dtype T and, evaluating widened,
/// c.remainder.
template <class T> class Results {
public:
  Results(const EvalContext& c, Array& out)
      : to_(out.data<T>()), flush_denormals_(c.flush_denormals) {
    if (!std::is_same_v<T, double> || c.remainder == nullptr) return;
    *c.remainder = Array::empty(DType::f64, out.shape());
    remainder_ = c.remainder->data<double>();
  }

  template <class V> void set(std::int64_t i, V v) const {
    if constexpr (std::is_same_v<T, double>) {
      if (remainder_ != nullptr) return split(i, v);
    }
    to_[i] = static_cast<T>(v);
  }

private:
  void split(std::int64_t i, long double v) const {
    if (flush_denormals_ && std::fabs(v) < std::numeric_limits<double>::min())
      v = std::copysign(0.0L, v);
    to_[i] = static_cast<double>(v);
    remainder_[i] = std::isfinite(to_[i]) ? static_cast<double>(v - to_[i]) : 0;
  }

  T* to_;
  double* remainder_ = nullptr;
  bool flush_denormals_;
};

} // namespace kroton::ir
