#pragma once
/// Which CUDA device a function is compiled for.
///
///   CudaTarget t = CudaTarget::parse("cuda:1");
///   t.architecture();                                 // "sm_90"
#include <string>
#include <string_view>

#include "jit/cuda/gpu.hpp"

namespace kroton::jit::cuda {

struct CudaTarget {
  GpuFacts gpu;

  /// Whether a target's name means a CUDA device, present or not: "cuda", "cuda:1".
  static bool is_meant(std::string_view text) noexcept;
  /// Throws UnsupportedError for text that names none, DeviceError for a device that is not there.
  static CudaTarget parse(std::string_view text);

  std::string architecture() const { return gpu.architecture(); }
  /// "cuda sm_90": the same for all devices of one architecture, so that they share what is cached.
  std::string describe() const { return "cuda " + architecture(); }
};

} // namespace kroton::jit::cuda
