#include "jit/cuda/target.hpp"

#include <kroton/device.hpp>

namespace kroton::jit::cuda {

bool CudaTarget::is_meant(std::string_view text) noexcept {
  return text == "cuda" || text.starts_with("cuda:");
}

CudaTarget CudaTarget::parse(std::string_view text) {
  return {gpu_facts(parse_device(text, Location()).index)};
}

} // namespace kroton::jit::cuda
