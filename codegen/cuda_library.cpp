#include "codegen/cuda_library.hpp"

#include "lib/ops/indexing.hpp"

namespace kroton::codegen {
namespace {

constexpr CudaFunction functions[] = {
    {&ops::index_add, render_cuda_scatter},
};

} // namespace

const CudaFunction* cuda_function(const ir::Op& op) {
  for (const CudaFunction& f : functions)
    if (f.op == &op) return &f;
  return nullptr;
}

} // namespace kroton::codegen
