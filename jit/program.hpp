#pragma once
/// A bound plan with its code: what a call runs.
///
///   Program program(std::move(bound), std::move(kernels), signature, leaves, threads, origin);
///   std::vector<Array> out = program.run(frame, arguments, nullptr);
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <kroton/options.hpp>

#include "jit/bound_plan.hpp"
#include "jit/cpu/runtime.hpp"
#include "jit/derivation.hpp"
#include "jit/kernels.hpp"
#include "jit/leaves.hpp"
#include "lib/data/memory.hpp"

namespace kroton::jit {

/// Thrown inside the room when a call breaks an assumption that the program was compiled for.
struct AssumptionFailed {};

/// Memory that only grows, aligned for vectors.
class Workspace {
public:
  Workspace() = default;
  Workspace(Workspace&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Workspace& operator=(Workspace&&) = delete;
  ~Workspace() { data::give_memory(memory_, bytes_); }

  std::byte* reserve(std::size_t bytes);

private:
  std::byte* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

class Program {
public:
  /// `kernels` are those of `bound`, in its order; `origin` tells what the plan was made from.
  Program(BoundPlan bound, std::vector<LoadedKernel> kernels, const Signature& signature,
          const Leaves& leaves, int threads, std::shared_ptr<const Origin> origin);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  /// What a watcher sees around each step of a call.
  struct Moment {
    const plan::Step& step;
    std::function<Array(int buffer)> value; ///< a copy of what a buffer holds now
    std::function<std::int64_t(const ir::DimNode&)> size_of;
  };
  struct Watcher {
    std::function<void(const Moment&)> before, after;
  };

  /// The memory of one call at a time, for the program that made it alone.
  struct Frame;
  Frame make_frame() const;

  /// Throws what a call with arguments of a wrong count, dtype or rank throws.
  void check_arguments(std::span<const Array> arguments) const;
  /// True if `frame` is solved for the sizes of these arguments, and they are right otherwise.
  bool is_solved(const Frame& frame, std::span<const Array> arguments) const noexcept;
  /// Takes the sizes of arguments that were checked. Throws ShapeError, and AssumptionFailed.
  void solve(Frame& frame, std::span<const Array> arguments) const;

  /// Runs once, in a frame that is solved for the arguments. Writes into `given` (one array for
  /// each output) or, if null, into new arrays. Throws the errors that `Function::operator()`
  /// documents.
  std::vector<Array> run(Frame& frame, std::span<const Array> arguments, const Array* given,
                         const Watcher* watcher = nullptr);

  /// The plan and the texts of its kernels; worked out now if the program came from the cache.
  const plan::Plan& plan() const { return origin_->get().plan; }
  const Texts& texts() const { return origin_->get().texts; }
  const std::vector<BoundPlan::Kernel>& kernels() const { return bound_.kernels; }
  const std::vector<LoadedKernel>& loaded() const { return loaded_; }
  std::uint64_t packed_arguments() const {
    return packed_arguments_.load(std::memory_order_relaxed);
  }

private:
  /// A step with its code.
  struct BoundStep : BoundPlan::Step {
    int number = 0; ///< among the plan's steps
    KernelEntry entry = nullptr;
    // Contractions.
    std::array<KernelEntry, 4> schemes = {}; ///< by ContractionScheme; null where one cannot occur
    std::optional<codegen::ContractionScheme> scheme = {}; ///< if no other can occur
    std::int64_t work_bytes = -1;                          ///< if all sizes are known
  };
  /// A buffer whose memory another call may find elsewhere.
  struct Source {
    BoundPlan::Source::Kind kind;
    int buffer = -1;
    int index = -1;                   ///< argument, output or update number
    ir::SharedState* state = nullptr; ///< of a shared variable
  };
  struct Lock {
    ir::SharedState* state;
    bool is_exclusive;
  };
  class Locks;
  struct BoundUpdate {
    ir::SharedState* state = nullptr;
    int buffer = -1;       ///< of kind update; -1 when it happens in place
    Array spare = Array(); ///< the memory of the next new value; guarded by the variable's lock
  };

  void bind_memory(const Signature& signature, const Leaves& leaves);
  BoundStep with_code(BoundPlan::Step step) const;

  [[noreturn]] void refuse_arguments(std::span<const Array> arguments) const;
  bool fits_types(std::span<const Array> arguments) const noexcept;
  static std::int64_t read(const BoundPlan::SymbolSource& source,
                           std::span<const Array> arguments) noexcept;
  bool fits_checks(const Frame& frame, std::span<const Array> arguments) const noexcept;
  void lay_out(Frame& frame) const;
  std::vector<Array> new_outputs(const Frame& frame) const;
  void find_buffers(std::span<const Array> arguments, const Array* given, std::span<Array> results,
                    Frame& frame);
  std::byte* packed_copy(const Array& argument, Frame& frame);
  std::byte* memory_of_given(std::span<const Array> arguments, const Array* given, std::size_t i,
                             Frame& frame) const;
  std::byte* memory_of_update(BoundUpdate& update) const;
  [[noreturn]] void explain_mismatch(std::span<const Array> arguments) const;
  void run_step(const BoundStep& step, Frame& frame, CallRuntime& runtime) const;
  void run_kernel(const BoundStep& step, Frame& frame, const Runtime* runtime) const;
  void run_contraction(const BoundStep& step, Frame& frame, const Runtime* runtime) const;
  void run_scatter(const BoundStep& step, Frame& frame) const;
  std::int64_t size_of(const ir::DimNode& leaf, const Frame& frame) const;
  [[noreturn]] void index_failure(const BoundStep& step, int site, long value, long bound) const;
  Array view(int buffer, const Frame& frame) const;
  void watch_step(const BoundStep& step, Frame& frame, CallRuntime& runtime,
                  const Watcher& watcher) const;
  Shape shape_of(const std::vector<int>& slots, const Frame& frame) const;

  BoundPlan bound_; ///< but its steps, which are in `steps_`
  std::vector<LoadedKernel> loaded_;
  Signature signature_;
  int threads_;
  std::shared_ptr<const Origin> origin_;

  std::vector<std::pair<DType, std::size_t>> argument_types_; ///< dtype and rank
  std::vector<Source> sources_;
  std::vector<std::pair<int, Array>> constants_; ///< buffer and its value
  std::size_t most_arguments_ = 0;               ///< of one kernel
  std::vector<BoundStep> steps_;
  std::vector<Lock> locks_;
  std::vector<BoundUpdate> updates_;
  std::atomic<std::uint64_t> packed_arguments_{0};
};

} // namespace kroton::jit
