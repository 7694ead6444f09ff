#pragma once
/// A text of CUDA C++, compiled for the CPU.
///
///   Module module("extern \"C\" __global__ void zero(float* x) { x[threadIdx.x] = 0; }");
///   launch(module.kernel("zero"), {.threads = {32}}, arguments, memory, {});
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "jit/cpu/loader.hpp"
#include "test/cuda/emulator/launch.hpp"

namespace kroton::emulator {

/// The names of the kernels in a text, in their order: what follows `__global__ void`.
std::vector<std::string> kernel_names(std::string_view text);

/// `text` between what gives CUDA's names their meaning and what calls its kernels. Declarations of
/// shared arrays are spelled anew, so that each array has a name and bounds: `__shared__ T a[n];`,
/// `__shared__ T a;` and `extern __shared__ T a[];` inside functions, or in the definition of a
/// macro. Structs that begin with `struct alignas(n)` are given a member that lets their copies be
/// seen.
std::string emulated_text(std::string_view text);

struct Build {
  /// Whether `a * b + c` is one operation, as NVRTC makes it with --fmad=true.
  bool has_fma_contraction = false;
};

class Module {
public:
  /// Throws CompileError with the compiler's diagnostics; their lines are the text's.
  explicit Module(std::string_view text, const Build& build = {});

  /// Throws std::out_of_range if the text has no such kernel.
  const Kernel& kernel(const std::string& name) const { return kernels_.at(name); }
  bool has_kernel(const std::string& name) const { return kernels_.contains(name); }

private:
  jit::Module code_;
  std::map<std::string, Kernel> kernels_;
};

} // namespace kroton::emulator
