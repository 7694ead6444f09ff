#pragma once
/// Matrix products as C++ text, one way of computing (a scheme) a text.
///
///   ContractionShape shape{.dtype = DType::f32, .vector_bytes = 64};
///   shape.known.n = 10;                                          // the other sizes come with a
///   call for (ContractionScheme s : possible_schemes(shape))
///   texts.push_back(render_contraction(shape, s)); … contraction_scheme(shape, sizes) // which of
///   them a call needs
///
/// A text defines `extern "C" void kernel(rt, buffers, sizes)` with
///   buffers: a, b, c, alpha (one element; null unless it accumulates), work
///   sizes:   m, n, k, a_row, a_col, b_row, b_col, c_row   (strides in elements)
/// c = a·b, or c += alpha · (a·b). `work` holds contraction_work_bytes(…) bytes, aligned to 64.
///
/// The scheme, and with it the order in which each element of c is summed, depends on the sizes of
/// the call alone: texts with known sizes and texts without give the same bits.
#include <array>
#include <optional>
#include <vector>

#include "codegen/cpp/render.hpp"

namespace kroton::codegen {

/// Sizes and strides (in elements) of c = a·b with a m × k, b k × n, and c m × n with
/// adjacent elements in rows.
template <class Size> struct ContractionSizes {
  Size m{}, n{}, k{}, a_row{}, a_col{}, b_row{}, b_col{}, c_row{};

  bool operator==(const ContractionSizes&) const = default;
  /// From a kernel's `sizes`, and in their order.
  static ContractionSizes from_order(const std::array<Size, 8>& s) {
    return {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]};
  }
  std::array<Size, 8> in_order() const { return {m, n, k, a_row, a_col, b_row, b_col, c_row}; }
};

struct ContractionShape {
  DType dtype = DType::f32;
  bool accumulates = false;
  int vector_bytes = 64; ///< of the target's registers
  /// What is known before any call. These become constants of the text.
  ContractionSizes<std::optional<std::int64_t>> known = {};

  int lanes() const { return vector_bytes / static_cast<int>(item_size(dtype)); }
  /// All sizes and strides, if they are known.
  std::optional<ContractionSizes<std::int64_t>> known_sizes() const;
  bool operator==(const ContractionShape&) const = default;
};

enum class ContractionScheme {
  rows,    ///< vectors run along rows of b and c; any sizes and dtypes
  columns, ///< vectors run along columns of a and c: c is narrow and a transposed
  dots,    ///< vectors run along k: c is narrow and k long
  packed,  ///< blocks of a and b are copied to where they stay in the caches: large products
};

/// How a product of these sizes is computed.
ContractionScheme contraction_scheme(const ContractionShape& shape,
                                     const ContractionSizes<std::int64_t>& sizes);

/// What contraction_scheme can say of any sizes that agree with `shape.known`, and perhaps more.
std::vector<ContractionScheme> possible_schemes(const ContractionShape& shape);

KernelSource render_contraction(const ContractionShape& shape, ContractionScheme scheme);

/// Bytes of work memory for one product by at most `threads` threads.
std::int64_t contraction_work_bytes(const ContractionShape& shape, ContractionScheme scheme,
                                    const ContractionSizes<std::int64_t>& sizes, int threads);

} // namespace kroton::codegen
