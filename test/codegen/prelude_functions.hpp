#pragma once
/// The prelude's text compiled by the test's own compiler, once per instruction set.
#include <cstddef>
#include <cstdint>
#include <span>

namespace kroton::test {

template <class T> struct UnaryFunction {
  const char* name;
  void (*run)(const T* x, T* y, std::size_t count);
};

template <class T> struct BinaryFunction {
  const char* name;
  void (*run)(const T* a, const T* b, T* y, std::size_t count);
};

struct PreludeFunctions {
  const char* target;
  bool supported; ///< By the machine that runs the test.
  std::span<const UnaryFunction<float>> unary_f32;
  std::span<const UnaryFunction<double>> unary_f64;
  std::span<const BinaryFunction<float>> binary_f32;
  std::span<const BinaryFunction<double>> binary_f64;
};

/// SSE4.2, without fused multiply-add.
const PreludeFunctions& prelude_functions_v2();
/// AVX2 with fused multiply-add.
const PreludeFunctions& prelude_functions_v3();

} // namespace kroton::test
