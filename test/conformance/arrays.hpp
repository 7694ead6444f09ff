#pragma once
/// Arrays of values that are worth trying, and the memory layouts that callers hand in.
///
///   Array x = tricky(DType::i8, {21, 23}, rng);      // extremes, zeros, ones, random bits
///   for (const Array& a : laid_out(x)) …   // equal arrays: reversed, strided, transposed
#include <cstring>
#include <limits>
#include <vector>

#include <kroton/array.hpp>

#include "lib/support/visit_dtype.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {

inline constexpr DType all_dtypes[] = {DType::bool_, DType::i8,  DType::i16, DType::i32,
                                       DType::i64,   DType::u8,  DType::u16, DType::u32,
                                       DType::u64,   DType::f32, DType::f64};

/// The values that go wrong first: ends of the range, zeros of both signs, NaN, denormals.
template <class T> std::vector<T> corner_values() {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_same_v<T, bool>)
    return {false, true};
  else if constexpr (std::is_floating_point_v<T>)
    return {T(0),
            -T(0),
            T(1),
            T(-1),
            T(0.5),
            T(-0.5),
            T(2),
            T(3),
            T(-7),
            T(88.5),
            T(-104),
            T(1e4),
            T(255.5),
            T(-2147483648.0),
            T(4294967296.0),
            T(1.8446744073709552e19),
            Limits::max(),
            Limits::lowest(),
            Limits::min(),
            -Limits::min(),
            Limits::denorm_min(),
            -Limits::denorm_min(),
            Limits::infinity(),
            -Limits::infinity(),
            Limits::quiet_NaN(),
            Limits::epsilon(),
            T(1e-10)};
  else
    return {T(0),
            T(1),
            T(2),
            T(3),
            T(7),
            T(-1),
            T(-2),
            T(-3),
            Limits::max(),
            Limits::min(),
            T(Limits::max() - 1),
            T(Limits::min() + 1)};
}

/// Pairs of corner values along the rows when two are made with `turn` 0 and 1; then random ones.
inline Array tricky(DType dtype, const Shape& shape, Rng& rng, int turn = 0) {
  Array a = Array::empty(dtype, shape);
  support::visit_dtype(dtype, [&]<class T>(std::type_identity<T>) {
    const std::vector<T> corners = corner_values<T>();
    const auto n = static_cast<std::int64_t>(corners.size());
    T* to = a.data<T>();
    for (std::int64_t i = 0; i < a.numel(); ++i) {
      if (i < n * n) {
        to[i] = corners[static_cast<std::size_t>(turn == 0 ? i % n : i / n)];
      } else if constexpr (std::is_floating_point_v<T>) {
        to[i] = static_cast<T>(rng.uniform(-1, 1) *
                               std::ldexp(1.0, static_cast<int>(rng.below(12)) - 4));
      } else {
        to[i] = static_cast<T>(rng.below(2) == 0 ? rng.next()
                                                 : static_cast<std::uint64_t>(rng.below(9) - 4));
      }
    }
  });
  return a;
}

/// Moderate values: floats in [-4, 4], whole numbers in [-4, 4] or [0, 8].
inline Array moderate(DType dtype, const Shape& shape, Rng& rng) {
  Array wide = Array::empty(DType::f64, shape);
  for (std::int64_t i = 0; i < wide.numel(); ++i)
    wide.data<double>()[i] = is_float(dtype)          ? rng.uniform(-4, 4)
                             : is_bool(dtype)         ? static_cast<double>(rng.below(2))
                             : is_unsigned_int(dtype) ? static_cast<double>(rng.below(9))
                                                      : static_cast<double>(rng.below(9) - 4);
  return wide.astype(dtype);
}

/// Arrays equal to `a` in other memory: packed, reversed on every axis, every other element of
/// something larger, with the axes in reverse order.
inline std::vector<Array> laid_out(const Array& a) {
  std::vector<Array> result{a.contiguous()};
  const auto rank = static_cast<std::size_t>(a.rank());
  if (rank == 0 || a.numel() == 0) return result;
  {
    Array memory = Array::empty(a.dtype(), a.shape());
    Shape strides = memory.strides();
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < rank; ++i) {
      offset += strides[i] * (a.shape()[i] - 1);
      strides[i] = -strides[i];
    }
    result.push_back(memory.as_strided(a.shape(), strides, offset));
  }
  {
    Shape larger = a.shape();
    for (auto& n : larger) n = 2 * n + 1;
    Array memory = Array::zeros(a.dtype(), larger);
    Shape strides = memory.strides();
    std::int64_t offset = 0;
    for (auto& s : strides) {
      offset += s;
      s *= 2;
    }
    result.push_back(memory.as_strided(a.shape(), strides, offset));
  }
  {
    Shape turned(a.shape().rbegin(), a.shape().rend());
    result.push_back(Array::empty(a.dtype(), turned).transpose());
  }
  for (std::size_t i = 1; i < result.size(); ++i) copy_elements(result[i], a);
  return result;
}

} // namespace kroton::test
