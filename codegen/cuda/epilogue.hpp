#pragma once
/// What follows from each element of a matrix product, as a function that the product's kernels
/// call when they have an element.
///
///   CudaEpilogue e(kernel, product_param, columns, "f32");
///   e.definition;   // KROTON_INLINE void epilogue(f32 value, i64 row, i64 column, i64 n, …)
///   e.arguments;    // "a1, y0, n0": what kernels take as `parameters` and pass on
#include <string>
#include <utility>
#include <vector>

#include "codegen/cuda/cuda.hpp"

namespace kroton::codegen {

struct CudaEpilogue {
  /// `kernel` is what plan::Epilogue has; its parameter `product` is the product, of rows of
  /// `columns` elements of `type`.
  CudaEpilogue(const plan::Kernel& kernel, int product, const Dim& columns,
               const std::string& type);

  std::string header;     ///< the comment on its loops and parameters
  std::string definition; ///< `row` counts the rows of all products, which have `n` columns each
  /// Lines of `definition` (from 1) and the graph node each computes.
  std::vector<std::pair<int, ir::NodeId>> lines;
  std::string parameters, arguments; ///< those of the kernel
};

} // namespace kroton::codegen
