#pragma once
/// Loop IR to CUDA C++ text that a person can read, and how its kernels are launched.
///
///   CudaText t = render_cuda(kernel, schedule_for_cuda(kernel));
///   // t.text is compiled for the device; t.launches run in order, each with the same arguments
///
/// Every entry takes, in this order: a pointer for each parameter of the kernel; the scratch
/// pointer, if `scratch_bytes` is not 0; each of size_arguments(kernel), of
/// draw_arguments(kernel) and of constant_arguments(kernel) as i64; and, if the kernel is fallible,
/// a pointer to the failure record
/// `{ i32 state; i32 site; i64 value; i64 bound; }` in the device's memory; and, if
/// `counts_blocks`, a pointer to a u32 of this step's own, which is 0 whenever no kernel runs. The
/// first thread that meets a position out of range changes `state` from 0 to 1 and fills the record
/// in; the kernel continues with 0. Names come from positions alone, so that equal kernels are
/// equal text.
///
/// Results do not depend on the device: how sums are split is a matter of sizes alone.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "codegen/schedule/cuda.hpp"
#include "lib/plan/kernel.hpp"

namespace kroton::codegen {

/// What kernels have of shared memory beside the dynamic: at most so many bytes where that is
/// asked for.
inline constexpr std::size_t own_shared_bytes = 8192;

/// One launch of a kernel function. Where several have the same `stage`, in one text or in those of
/// one step, they are variants of the same work, tried in order: the first is launched whose
/// `selector` is at most `selector_limit`, and for which the device has enough shared memory:
/// `shared_bytes` and `own_shared_bytes`.
struct Launch {
  std::string entry; ///< the name of an `extern "C" __global__` function in the text
  int threads = 256; ///< of a block
  /// Blocks: ceil(units / units_per_block), at least 1 and at most what the two bounds below say.
  /// Nothing is launched when `units` is 0, unless `always`.
  Dim units{1};
  std::int64_t units_per_block = 1;
  int blocks_per_multiprocessor = 0; ///< if > 0: at most so many times the multiprocessors
  std::int64_t most_blocks = 0;      ///< if > 0: at most so many
  Dim shared_bytes{0};               ///< dynamic shared memory
  bool always = false;               ///< launched for 0 units too
  int stage = 0;
  Dim selector{0};
  std::int64_t selector_limit = std::numeric_limits<std::int64_t>::max();
};

struct CudaText {
  std::string text;
  std::size_t body =
      0; ///< where in the text the prelude ends, and the kernel's own functions begin
  /// Line numbers (from 1) and the graph node each line computes: for people, not for the key.
  std::vector<std::pair<int, ir::NodeId>> lines;
  std::vector<Launch> launches;
  Dim scratch_bytes{0};       ///< of device memory, aligned to 256, whose contents do not matter
  bool counts_blocks = false; ///< the last block of the launch continues with what all have folded
  std::string schedule = {};  ///< how it runs, in a line for people
  /// Which of the algorithms that a step can use this is, for people: "16x16 tiles"; empty if there
  /// is one.
  std::string variant_name = {};
};

/// The kernel as `schedule` says that it runs.
CudaText render_cuda(const plan::Kernel& kernel, const CudaSchedule& schedule);

} // namespace kroton::codegen
