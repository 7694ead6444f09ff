#pragma once
/// Programs that run on the CPU, on threads of the pool.
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "jit/cpu/backend.hpp"
#include "jit/cpu/runtime.hpp"
#include "jit/program.hpp"
#include "lib/data/memory.hpp"

namespace kroton::jit {

/// Memory that only grows, aligned for vectors.
class Workspace {
public:
  Workspace() = default;
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() { data::give_memory(memory_, bytes_); }

  std::byte* reserve(std::size_t bytes);

private:
  std::byte* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

class CpuProgram : public Program {
public:
  CpuProgram(ProgramParts parts, int threads);

  std::unique_ptr<Frame> make_frame() const override;
  std::vector<Array> run(Frame& frame, std::span<const Array> arguments, const Array* given,
                         const Watcher* watcher = nullptr) override;

private:
  struct CpuFrame : Frame {
    std::vector<std::byte*> buffers;             ///< one for each buffer of the plan
    std::vector<std::size_t> slots;              ///< where the arena's slots start in it
    std::vector<Array> packed;                   ///< dense copies of arguments and of given outputs
    std::vector<std::pair<Array, Array>> copies; ///< given outputs, and what to copy into each
    std::vector<void*> arguments;                ///< of the kernel at hand
    Workspace arena, scratch;
  };
  /// A step with its code.
  struct BoundStep : BoundPlan::Step {
    int number = 0; ///< among the plan's steps
    KernelEntry entry = nullptr;
    // Contractions.
    std::array<KernelEntry, 4> schemes = {}; ///< by ContractionScheme; null where one cannot occur
    std::optional<codegen::ContractionScheme> scheme = {}; ///< if no other can occur
    std::int64_t work_bytes = -1;                          ///< if all sizes are known
  };

  BoundStep with_code(BoundPlan::Step step) const;
  KernelEntry entry_of(int kernel) const;
  void lay_out(Frame& frame) const override;
  std::vector<Array> new_outputs(const CpuFrame& frame) const;
  void find_buffers(std::span<const Array> arguments, const Array* given, std::span<Array> results,
                    CpuFrame& frame);
  std::byte* packed_copy(const Array& argument, CpuFrame& frame);
  std::byte* memory_of_given(std::span<const Array> arguments, const Array* given, std::size_t i,
                             CpuFrame& frame) const;
  std::byte* memory_of_update(BoundUpdate& update) const;
  void run_step(const BoundStep& step, CpuFrame& frame, CallRuntime& runtime) const;
  void run_kernel(const BoundStep& step, CpuFrame& frame, const Runtime* runtime) const;
  void run_contraction(const BoundStep& step, CpuFrame& frame, const Runtime* runtime) const;
  void run_scatter(const BoundStep& step, CpuFrame& frame) const;
  Array view(int buffer, const CpuFrame& frame) const;
  void watch_step(const BoundStep& step, CpuFrame& frame, CallRuntime& runtime,
                  const Watcher& watcher) const;

  int threads_;
  std::size_t most_arguments_ = 0; ///< of one kernel
  std::vector<BoundStep> steps_;
};

} // namespace kroton::jit
