/// `from_dlpack`, which takes tensors in the memory of CUDA devices too.
#include "lib/data/dlpack.hpp"

#include "jit/cuda/memory.hpp"

namespace kroton {
namespace {

std::shared_ptr<data::DeviceMemory> adopt(const data::ForeignMemory& foreign) {
  namespace cuda = jit::cuda;
  return std::make_shared<cuda::Memory>(cuda::Gpu::get(foreign.device.index),
                                        reinterpret_cast<cuda::Address>(foreign.address),
                                        foreign.nbytes, foreign.owner);
}

} // namespace

Array from_dlpack(DLManagedTensor* tensor, Location where) {
  return data::take_dlpack(tensor, adopt, where);
}

} // namespace kroton
