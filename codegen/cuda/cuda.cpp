#include "codegen/cuda/cuda.hpp"

#include "codegen/cuda/kernel.hpp"

namespace kroton::codegen {

CudaText render_cuda(const plan::Kernel& kernel) {
  CudaKernel k(kernel);
  if (kernel.axes.empty()) {
    // The finish is all there is.
  } else if (is_for_tiles(k)) {
    write_tiles(k);
  } else if (is_for_elements(k)) {
    write_elements(k);
  } else if (is_for_columns(k)) {
    write_columns(k);
  } else {
    write_rows(k);
  }
  if (!kernel.finish.empty() && !k.counts_blocks()) write_finish(k);
  return k.finished();
}

} // namespace kroton::codegen
