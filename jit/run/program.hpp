#pragma once
/// A bound plan with its code: what a call runs. What is the same on every device is here: the
/// arguments' checks, sizes, shared variables, and the errors that name the user's lines.
///
///   std::unique_ptr<Program> program = backend->assemble({bound, kernels, signature, leaves,
///                                                         origin});
///   std::vector<Array> out = program->run(*frame, arguments, nullptr);
#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "jit/bound/bound_plan.hpp"
#include "jit/compile/derivation.hpp"
#include "jit/bound/leaves.hpp"
#include "lib/ir/variables.hpp"
#include "lib/support/fork.hpp"

namespace kroton::jit {

/// Thrown inside the room when a call breaks an assumption that the program was compiled for.
struct AssumptionFailed {};

/// What a program is put together from.
struct ProgramParts {
  BoundPlan bound;
  std::vector<LoadedKernel> kernels; ///< those of `bound`, in its order
  const Signature& signature;
  const Leaves& leaves;
  std::shared_ptr<const LazyDerivation> origin; ///< what the plan was made from
  /// Gets kernels that were deferred.
  std::function<std::vector<LoadedKernel>(const std::vector<KernelText>&)> get;
};

class Program {
public:
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  virtual ~Program() = default;

  /// What a watcher sees around each step of a call.
  struct Moment {
    const plan::Step& step;
    std::function<Array(int buffer)> value; ///< a copy of what a buffer holds now
    std::function<std::int64_t(const ir::DimNode&)> size_of;
    std::function<void()> finish; ///< returns when what was started before is done
  };
  struct Watcher {
    std::function<void(const Moment&)> before, after;
  };

  /// What one call at a time works with, for the program that made it alone; kept for the next
  /// call.
  struct Frame {
    std::vector<std::int64_t> sizes; ///< values of the size table's slots
    std::vector<long> step_sizes;    ///< the size arguments of all kernels, step after step
    bool is_solved = false;

    Frame() = default;
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;
    virtual ~Frame() = default;
  };
  virtual std::unique_ptr<Frame> make_frame() const = 0;

  /// Throws what a call with arguments of a wrong count, dtype or rank throws.
  void check_arguments(std::span<const Array> arguments) const;
  /// True if `frame` is solved for the sizes of these arguments, and they are right otherwise.
  bool is_solved(const Frame& frame, std::span<const Array> arguments) const;
  /// Takes the sizes of arguments that were checked. Throws ShapeError, and AssumptionFailed.
  void solve(Frame& frame, std::span<const Array> arguments) const;

  /// Runs once, in a frame that is solved for the arguments. Writes into `given` (one array for
  /// each output) or, if null, into new arrays. Throws the errors that `Function::operator()`
  /// documents.
  virtual std::vector<Array> run(Frame& frame, std::span<const Array> arguments, const Array* given,
                                 const Watcher* watcher = nullptr) = 0;

  /// The plan and the texts of its kernels; worked out now if the program came from the cache.
  const plan::Plan& plan() const { return origin_->get().plan; }
  const Texts& texts() const { return origin_->get().texts; }
  const std::vector<BoundPlan::Kernel>& kernels() const { return bound_.kernels; }
  /// Whether steps are run together, by kernels that have theirs as parts.
  bool has_sequences() const noexcept { return !bound_.sequences.empty(); }
  /// As far as they are loaded now.
  std::vector<LoadedKernel> loaded() const {
    const std::lock_guard lock(loading_);
    return loaded_;
  }
  /// "927f440f8474 (contraction, 16x16 tiles)": for messages.
  std::string describe_kernel(int kernel) const;
  std::uint64_t packed_arguments() const {
    return packed_arguments_.load(std::memory_order_relaxed);
  }

protected:
  explicit Program(ProgramParts parts);

  /// A buffer whose memory another call may find elsewhere.
  struct Source {
    BoundPlan::Source::Kind kind;
    int buffer = -1;
    int index = -1;                   ///< argument, output or update number
    ir::SharedState* state = nullptr; ///< of a shared variable …
    bool is_overwritten = false;      ///< … which is updated in place
  };
  struct Lock {
    ir::SharedState* state;
    bool is_exclusive;
  };
  /// Holds the locks of all shared variables that a program touches, in the program's order.
  class Locks;
  struct BoundUpdate {
    ir::SharedState* state = nullptr;
    int buffer = -1;       ///< of kind update; -1 when it happens in place
    Array spare = Array(); ///< the memory of the next new value; guarded by the variable's lock
  };

  /// Gives a new frame its room, and its layout if no call can change that.
  void prepare(Frame& frame) const;
  /// Places what depends on the sizes alone; `step_sizes` are set by then.
  virtual void lay_out(Frame& frame) const = 0;

  static std::int64_t size(const Frame& frame, int slot) {
    return frame.sizes[static_cast<std::size_t>(slot)];
  }
  static Shape shape_of(const std::vector<int>& slots, const Frame& frame);
  /// Throws unless output `i` can be written into `target` in this call.
  void check_given(const Array& target, std::size_t i, const Frame& frame) const;
  /// Compiles or loads those of these kernels that were deferred and are not loaded yet. Throws
  /// CompileError.
  void load_deferred(std::span<const int> kernels) const;
  /// The code of a kernel; null if it was deferred and `load_deferred` has not loaded it.
  const Code* code(int kernel) const {
    return loaded_[static_cast<std::size_t>(kernel)].code.get();
  }
  /// Makes all new values visible; needs the variables' locks.
  void commit_updates();
  std::int64_t size_of(const ir::DimNode& leaf, const Frame& frame) const;
  /// Throws the error that the row of the op at fault makes of a failure of step `number`.
  [[noreturn]] void step_failed(int number, ir::Failure failure) const;

  BoundPlan bound_;
  Signature signature_;
  std::shared_ptr<const LazyDerivation> origin_;

  std::vector<Source> sources_;
  std::vector<std::pair<int, Array>> constants_; ///< buffer and its value
  std::vector<Lock> locks_;
  std::vector<BoundUpdate> updates_;
  std::atomic<std::uint64_t> packed_arguments_{0};

private:
  /// Sets what depends on the sizes alone.
  void arrange(Frame& frame) const;
  void bind_memory(const Leaves& leaves);
  void check_scalar(const BoundPlan::SymbolSource& s, std::span<const Array> arguments) const;
  [[noreturn]] void refuse_arguments(std::span<const Array> arguments) const;
  bool fits_types(std::span<const Array> arguments) const noexcept;
  bool fits_checks(const Frame& frame, std::span<const Array> arguments) const;
  /// Throws for sizes that do not fit each other, or, if there is an `overflow`, an int64.
  [[noreturn]] void refuse_sizes(const Frame& frame, std::span<const Array> arguments,
                                 const SizeCode::Instruction* overflow) const;
  class Refusal;

  std::vector<std::pair<DType, std::size_t>> argument_types_; ///< dtype and rank
  decltype(ProgramParts::get) get_;
  mutable support::ProcessMutex getting_; ///< held while deferred kernels are got
  mutable support::ForkMutex loading_;
  /// Guarded by `loading_`, but for what is read of a kernel that is known to have code.
  mutable std::vector<LoadedKernel> loaded_;
};

/// Takes all locks for as long as it lives. Values that are elsewhere are moved to `device` first,
/// and all locks are exclusive then.
class Program::Locks {
public:
  Locks(const std::vector<Lock>& locks, Device device) : locks_(locks) {
    ir::wait_for_fork();
    lock();
    if (ir::is_any_torn()) [[unlikely]]
      check_whole();
    bool is_there = true;
    for (const Lock& l : locks_) is_there = is_there && l.state->value.device() == device;
    if (!is_there) [[unlikely]]
      move_values(device);
  }
  ~Locks() { unlock(); }
  Locks(const Locks&) = delete;
  Locks& operator=(const Locks&) = delete;

private:
  bool is_exclusive(const Lock& l) const noexcept { return l.is_exclusive || are_all_exclusive_; }
  void lock() {
    for (const Lock& l : locks_)
      is_exclusive(l) ? l.state->mutex.lock() : l.state->mutex.lock_shared();
  }
  void unlock() {
    for (const Lock& l : locks_)
      is_exclusive(l) ? l.state->mutex.unlock() : l.state->mutex.unlock_shared();
  }
  void check_whole();
  void move_values(Device device);

  const std::vector<Lock>& locks_;
  bool are_all_exclusive_ = false;
};

} // namespace kroton::jit
