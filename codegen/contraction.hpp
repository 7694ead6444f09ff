#pragma once
/// A register-tiled matrix product as C++ text.
///
///   KernelSource s = render_contraction({.dtype = DType::f32, .accumulates = false, .vector_bytes
///   = 64});
///
/// The text defines `extern "C" void kernel(rt, buffers, sizes)` with
///   buffers: a, b, c, alpha (one element; null unless it accumulates), work
///   sizes:   m, n, k, a_row, a_col, b_row, b_col   (strides in elements; c is dense m × n)
/// c = a·b, or c += alpha · (a·b). `work` holds contraction_work_bytes(…) bytes, aligned to 64.
#include <optional>

#include "codegen/render.hpp"

namespace kroton::codegen {

struct ContractionShape {
  DType dtype = DType::f32;
  bool accumulates = false;
  int vector_bytes = 64; ///< of the target's registers
  /// Known before any call: whether n is at most a vector, and whether a_row is 1. What cannot
  /// occur is left out of the text, and of Clang's time.
  std::optional<bool> is_narrow = {}, is_transposed = {};

  bool operator==(const ContractionShape&) const = default;
};

KernelSource render_contraction(const ContractionShape& shape);

/// Bytes of work memory for a k × n right side.
std::int64_t contraction_work_bytes(const ContractionShape& shape, std::int64_t n, std::int64_t k);

} // namespace kroton::codegen
