#pragma once
/// What Kroton finds of CUDA on a machine, for `kroton::doctor()`.
#include <string>
#include <utility>
#include <vector>

namespace kroton::jit::cuda {

/// What it is about, and what is so: the driver, each device, NVRTC, and where there is a driver
/// cuBLASLt. Makes no context.
std::vector<std::pair<std::string, std::string>> facts();

} // namespace kroton::jit::cuda
