#pragma once
/// Epilogues that libraries of matrix products have themselves.
///
///   // of relu(dot(x, w) + b)
///   auto known = known_epilogue(kernel, product, columns);
///   // known->activation is relu, kernel.params[known->bias] is b
#include <cstdint>
#include <optional>
#include <string>

#include "lib/plan/kernel.hpp"

namespace kroton::plan {

enum class Activation : std::uint8_t {
  none,
  relu,
  gelu, ///< as kroton::gelu has it
};

/// out = activation(product + bias), where the bias is one element for each column.
struct KnownEpilogue {
  Activation activation = Activation::none;
  int bias = -1; ///< a parameter; -1: there is none
  Dim bias_offset{0};
  int out = -1;   ///< a parameter
  Dim out_row{0}; ///< elements from one row of `out` to the next

  std::string to_string() const; ///< "relu(product + bias)"
};

/// What the kernel of a plan::Epilogue is, if it is one of these. The product has rows of `columns`
/// elements.
std::optional<KnownEpilogue> known_epilogue(const Kernel& kernel, int product, const Dim& columns);

} // namespace kroton::plan
