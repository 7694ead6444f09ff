#pragma once
/// Programs that run on the CPU, on threads of the pool.
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "jit/cpu/backend.hpp"
#include "jit/cpu/library.hpp"
#include "jit/cpu/runtime.hpp"
#include "jit/run/program.hpp"
#include "lib/data/memory.hpp"
#include "lib/support/match.hpp"

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
    std::vector<void*> arguments;                ///< of the current kernel
    Workspace arena, scratch;
    /// What a library call is handed.
    struct Call {
      std::vector<std::int64_t> sizes; ///< the shapes and strides of all arrays
      std::vector<CallArray> results, operands;
      std::size_t workspace_bytes = 0;
    };
    std::vector<Call> calls;
  };
  struct KernelCode {
    bound::CpuKernel kernel;
    KernelEntry entry = nullptr;
  };
  struct ProductCode {
    bound::Product product;
    std::array<KernelEntry, 4> schemes = {}; ///< by ContractionScheme; null where one cannot occur
    std::array<std::optional<int>, 4> codes = {};          ///< numbers of the kernels
    std::optional<codegen::ContractionScheme> scheme = {}; ///< if no other can occur
    std::optional<std::int64_t> work_bytes = {};           ///< if all sizes are known
  };
  struct CallCode {
    bound::Call call;
    const CpuFunction* function = nullptr;
    int number = 0; ///< among the calls
  };
  using StepCode = std::variant<KernelCode, ProductCode, CallCode>;
  struct BoundStep {
    int number = 0; ///< among the plan's steps
    bool is_fallible = false;
    StepCode code;
  };

  /// What a call runs at once: a step, or several that are one function.
  struct Part {
    int first = 0;               ///< step
    int last = 0;                ///< step
    KernelEntry entry = nullptr; ///< null for a step alone
    int first_size = 0;
  };

  StepCode with_code(bound::CpuStep step);
  ProductCode with_code(bound::CpuProduct product) const;
  KernelEntry entry_of(int kernel) const;
  CpuFrame::Call frame_of(const bound::Call& call) const;
  void lay_out_call(const CallCode& call, CpuFrame& frame) const;
  static std::span<const std::int64_t> numbers_of(const bound::Call& call, const CpuFrame& frame);
  template <class F> void for_each_call(F f) const {
    for (const BoundStep& s : steps_)
      support::match(
          s.code, [](const KernelCode&) {}, [](const ProductCode&) {},
          [&](const CallCode& c) { f(c); });
  }
  void lay_out(Frame& frame) const override;
  std::vector<Array> new_outputs(const CpuFrame& frame) const;
  void find_buffers(std::span<const Array> arguments, const Array* given, std::span<Array> results,
                    CpuFrame& frame);
  std::byte* packed_copy(const Array& argument, CpuFrame& frame);
  std::byte* memory_of_given(std::span<const Array> arguments, const Array* given, std::size_t i,
                             CpuFrame& frame) const;
  std::byte* memory_of_update(BoundUpdate& update) const;
  void run_part(const Part& part, CpuFrame& frame, CallRuntime& runtime) const;
  void run_step(const BoundStep& step, CpuFrame& frame, CallRuntime& runtime) const;
  void check_failure(const BoundStep& step, CallRuntime& runtime) const;
  void run_kernel(const KernelCode& kernel, CpuFrame& frame, const Runtime* runtime) const;
  void run_product(const ProductCode& product, CpuFrame& frame, const Runtime* runtime) const;
  void run_call(const CallCode& call, int number, CpuFrame& frame, const Runtime* runtime) const;
  Array view(int buffer, const CpuFrame& frame) const;
  void watch(CpuFrame& frame, CallRuntime& runtime, const Watcher& watcher) const;
  BoundStep with_loaded_code(BoundStep step) const;
  void watch_step(const BoundStep& step, CpuFrame& frame, CallRuntime& runtime,
                  const Watcher& watcher) const;

  int threads_;
  std::size_t most_arguments_ = 0; ///< of one kernel
  int calls_ = 0;                  ///< of libraries
  std::vector<BoundStep> steps_; ///< those that sequences run have no code unless somebody watches
  std::vector<Part> parts_;
};

} // namespace kroton::jit
