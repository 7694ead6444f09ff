#pragma once
/// Matrix products as C++ text, one way of computing (a scheme) a text.
///
///   const ProductSchedule s = schedule_for_cpu(shape, scheme);
///   KernelSource text = render_contraction(shape, s);
///
/// A text defines `extern "C" void kernel(rt, buffers, sizes)` with
///   buffers: a, b, c, alpha (one element; null unless it accumulates), work
///   sizes:   m, n, k, a_row, a_col, b_row, b_col, c_row   (strides in elements)
/// c = a·b, or c += alpha · (a·b). `work` holds contraction_work_bytes(…) bytes, aligned to 64.
#include "codegen/cpp/render.hpp"
#include "codegen/schedule/product.hpp"

namespace kroton::codegen {

/// A product of this shape, as `schedule` says that it runs.
KernelSource render_contraction(const ContractionShape& shape, const ProductSchedule& schedule);

/// The same as a part of a larger text; its entry point is `run`.
KernelPart render_contraction_part(const ContractionShape& shape, const ProductSchedule& schedule);

} // namespace kroton::codegen
