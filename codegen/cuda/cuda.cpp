#include "codegen/cuda/cuda.hpp"

#include "codegen/cuda/kernel.hpp"
#include "lib/support/match.hpp"

namespace kroton::codegen {

CudaText render_cuda(const plan::Kernel& kernel, const CudaSchedule& schedule) {
  CudaKernel k(kernel, schedule.finish);
  support::match(
      schedule.form, [](const CudaScalars&) {},
      [&](const CudaElements& elements) { write_elements(k, elements); },
      [&](const CudaTiles& tiles) { write_tiles(k, tiles); },
      [&](const CudaColumns& columns) { write_columns(k, columns); },
      [&](const CudaRows& rows) { write_rows(k, rows); });
  write_finish(k);
  CudaText text = k.finished();
  text.schedule = schedule.to_string();
  return text;
}

} // namespace kroton::codegen
