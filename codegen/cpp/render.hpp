#pragma once
/// Loop IR to C++ text that a person can read.
///
///   KernelSource s = render(kernel, schedule_for_cpu(kernel, 64));
///   // s.text is what is compiled and what the cache key covers
///
/// The text defines `extern "C" void kernel(const Runtime*, void* const* buffers, const i64*
/// sizes)`. `buffers` holds one pointer for each parameter and then, if the kernel has scratch
/// arrays, one to `threads` times scratch_offsets(kernel).back() bytes, aligned to 64. `sizes`
/// holds size_arguments(kernel), draw_arguments(kernel) and constant_arguments(kernel). Names come
/// from positions alone, so that equal kernels are equal text.
#include <string>
#include <utility>
#include <vector>

#include "codegen/schedule/cpu.hpp"
#include "lib/plan/kernel.hpp"

namespace kroton::codegen {

struct KernelSource {
  std::string text;
  /// Line numbers (from 1) and the graph node each line computes: for people, not for the key.
  std::vector<std::pair<int, ir::NodeId>> lines;
};

/// The kernel as `schedule` says that it runs.
KernelSource render(const plan::Kernel& kernel, const CpuSchedule& schedule);

/// A kernel as a part of a larger text, which has the prelude and `runtime_declaration`.
struct KernelPart {
  std::string about; ///< a comment: the loops, then the parameters
  /// Functions, of which the last is `run(rt, buffers, sizes)` with the arguments of `kernel`. It
  /// computes all rows as one chunk, and has scratch memory for one.
  std::string text;
  std::vector<std::pair<int, ir::NodeId>> lines; ///< of `text`
};
KernelPart render_part(const plan::Kernel& kernel, const CpuSchedule& schedule);

/// What every kernel begins with: the table that it is handed, spelled as in
/// jit/run/runtime_abi.hpp.
std::string runtime_declaration(bool is_fallible);

} // namespace kroton::codegen
