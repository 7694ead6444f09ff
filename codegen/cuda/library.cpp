#include "codegen/cuda/library.hpp"

#include "lib/ops/assemble.hpp"
#include "lib/ops/cumulative.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/put.hpp"

namespace kroton::codegen {
namespace {

constexpr CudaFunction functions[] = {
    {&ops::assemble, render_cuda_assemble}, {&ops::cumsum, render_cuda_cumsum},
    {&ops::index_add, render_cuda_scatter}, {&ops::index_add_to, render_cuda_scatter},
    {&ops::index_set, render_cuda_scatter}, {&ops::index_max, render_cuda_scatter},
    {&ops::index_min, render_cuda_scatter}, {&ops::index_mul, render_cuda_scatter},
};

} // namespace

const CudaFunction* cuda_function(const ir::Op& op) {
  for (const CudaFunction& f : functions)
    if (f.op == &op) return &f;
  return nullptr;
}

} // namespace kroton::codegen
