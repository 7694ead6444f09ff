#pragma once
/// How far results may be apart where rewrites change what is rounded, but not what is meant.
///
///   CHECK(far_apart(f({x})[0], want, wide, 1e-9) == "");
#include "test/conformance/oracle.hpp"

namespace kroton::test {

/// Empty if `got` is what is `wanted`; whole numbers and bools are the same, floats near `wide`,
/// the value in wider arithmetic, without denormals. Rewrites may be more accurate than the text
/// (log of a softmax, say): where the op-by-op value is not finite or huge, or `wide` says that it
/// lost its digits or hangs on what a denormal has left of them, nothing is compared.
inline std::string far_apart(const Array& got, const Array& wanted, const Array& wide,
                             double tolerance) {
  if (got.shape() != wanted.shape() || got.dtype() != wanted.dtype())
    return fmt::format("{} instead of {}", got.label(), wanted.label());
  if (!is_float(got.dtype())) return difference(got, wanted);
  const auto a = got.astype(DType::f64).to_vector<double>(),
             b = wanted.astype(DType::f64).to_vector<double>(),
             c = wide.astype(DType::f64).to_vector<double>();
  double largest = 1;
  for (double v : c)
    if (std::isfinite(v) && std::fabs(v) < 1e6) largest = std::max(largest, std::fabs(v));
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(b[i]) || !std::isfinite(c[i]) || std::fabs(c[i]) >= 1e6) continue;
    if (std::fabs(b[i] - c[i]) > tolerance * largest) continue;
    if (!(std::fabs(a[i] - c[i]) <= 10 * tolerance * largest))
      return fmt::format("element {} of {}: {} instead of {}, exactly {}", i, got.label(), a[i],
                         b[i], c[i]);
  }
  return "";
}

} // namespace kroton::test
