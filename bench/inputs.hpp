#pragma once
/// The same inputs for every system, in C++ and in peers.py: no library's random numbers.
///
///   kt::Array x = inputs<float>({600, 784}, 1);      // spread evenly over [-1, 1)
#include <kroton/array.hpp>

namespace bench {

/// A word for position i of stream `stream`.
inline std::uint32_t word(std::uint64_t i, std::uint32_t stream) {
  return static_cast<std::uint32_t>(i * 2654435761 + stream * std::uint64_t{1013904223});
}

template <class T> kroton::Array inputs(const kroton::Shape& shape, std::uint32_t stream) {
  kroton::Array a = kroton::Array::empty<T>(shape);
  T* out = a.data<T>();
  for (std::int64_t i = 0; i < a.numel(); ++i)
    out[i] = static_cast<T>(
        static_cast<double>(word(static_cast<std::uint64_t>(i), stream)) / 2147483648.0 - 1.0);
  return a;
}

/// Labels in [0, classes).
inline kroton::Array labels(std::int64_t n, std::uint32_t classes, std::uint32_t stream) {
  kroton::Array a = kroton::Array::empty<std::int32_t>({n});
  auto* out = a.data<std::int32_t>();
  for (std::int64_t i = 0; i < n; ++i)
    out[i] =
        static_cast<std::int32_t>((word(static_cast<std::uint64_t>(i), stream) >> 8) % classes);
  return a;
}

} // namespace bench
