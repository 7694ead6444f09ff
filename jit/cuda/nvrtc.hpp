#pragma once
/// NVIDIA's run-time compiler, opened when it is first needed: CUDA C++ text to code for a device.
///
///   NvrtcOutput out = compile_with_nvrtc({.source = text, .name = "softmax",
///                                         .arguments = nvrtc_arguments("sm_90")});
///   out.cubin; out.ptx; out.log
///
/// KROTON_NVRTC names the library's file; otherwise it is libnvrtc.so of CUDA 13 or 12, see
/// open_library. Several threads may compile at a time.
#include <string>
#include <string_view>
#include <vector>

namespace kroton::jit::cuda {

struct NvrtcInput {
  const std::string& source;
  std::string_view name; ///< of the kernel, for messages
  std::vector<std::string> arguments;
};

struct NvrtcOutput {
  std::string cubin; ///< for the architecture itself …
  std::string ptx;   ///< … and for it and all later ones
  std::string log;   ///< warnings
};

/// Throws CompileError with the compiler's log if it refuses the text, DeviceError if there is no
/// compiler.
NvrtcOutput compile_with_nvrtc(const NvrtcInput& input);

/// What all kernels are compiled with, for "sm_90": C++20, arithmetic rounded as it is written, and
/// the functions of a text optimised side by side where the compiler can. Throws DeviceError if
/// there is no compiler.
std::vector<std::string> nvrtc_arguments(std::string_view architecture);

/// The compute capabilities up to this one that the compiler makes code for, newest first: 90, 89,
/// … for devices of 9.0. Throws DeviceError if there is none, or no compiler.
std::vector<int> nvrtc_capabilities(int most);

/// The compiler's version and build, "NVRTC 13.0 libnvrtc.so.13.0.88 109338064 bytes". Throws
/// DeviceError if there is none.
std::string nvrtc_fingerprint();

/// Why there is no compiler; empty if there is one.
std::string nvrtc_problem();

} // namespace kroton::jit::cuda
