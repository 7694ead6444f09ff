#pragma once
/// Matrix products as CUDA C++ text, and the texts of any step.
///
///   CudaStep s = render_cuda_contraction(step);      // out = a·b, or out += alpha · (a·b)
///
/// Each way of computing a product is a text of its own, so that only those are compiled that sizes
/// want. The texts depend on what is known of the step before any call (as ContractionShape has
/// it), the launches on its dims. Arguments of every entry of a product, in this order:
///   pointers  a, b, out, and alpha if it accumulates; then scratch, if `scratch_bytes` is not 0
///   i64       m, n, k, a_row, a_col, b_row, b_col, c_row, batches, a_batch, b_batch, c_batch
/// Strides are in elements. `a`, `b` and `alpha` point at the operands' first elements; they are
/// aligned to an element, `out` to 16 bytes. Product i of `batches` is that of a + i * a_batch and
/// b + i * b_batch, written to out + i * c_batch. Where batches are not so regular the step is
/// launched for each regular run of them. With `c` in the step, `out` holds it already.
///
/// With an epilogue (plan::Epilogue) `out` is not written unless the product is kept, and only read
/// if it accumulates: it may be `c` itself then. Each entry takes further arguments:
///   i64       how many products the launches before this one have computed
///   …         what the epilogue's kernel takes, as codegen/cuda/cuda.hpp has it
/// `CudaStep::epilogue` is that kernel alone, for a product that is in `out` already.
#include <optional>
#include <vector>

#include "codegen/cuda/cuda.hpp"
#include "lib/plan/plan.hpp"

namespace kroton::codegen {

/// The texts of a step of a plan, one at least. They are compiled one by one; their launches, text
/// after text, are those of the step, and take the same arguments: what one of them says of scratch
/// memory holds for all.
struct CudaStep {
  std::vector<CudaText> texts;
  std::optional<CudaText> epilogue = {}; ///< of a product
  bool clears_results = false;           ///< of a library call, see CudaCall
};

/// `epilogue` is the kernel of the step's epilogue, if it has one.
CudaStep render_cuda_contraction(const plan::ContractionStep& step,
                                 const plan::Kernel* epilogue = nullptr);

/// The texts of any step of a plan. Throws UnsupportedError for a library call that has no function
/// for CUDA devices.
CudaStep render_cuda_step(const plan::Plan& plan, const plan::Step& step);

} // namespace kroton::codegen
