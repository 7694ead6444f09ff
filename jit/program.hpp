#pragma once
/// A plan with its code: what a call runs.
///
///   Program program(std::move(plan), signature, options);
///   std::vector<Array> out = program.run(arguments, nullptr);
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

#include "codegen/contraction.hpp"
#include "jit/cpu/runtime.hpp"
#include "jit/kernels.hpp"
#include "jit/sizes.hpp"
#include "lib/data/memory.hpp"
#include "lib/plan/plan.hpp"

namespace kroton::jit {

/// What the user asked for, checked: see capture.hpp.
struct Signature {
  std::string name;
  Location where;
  std::vector<Expr> inputs;
  std::vector<Expr> outputs;
  std::vector<Update> updates; ///< explicit ones, then those that random streams bring
};

struct ProgramOptions {
  CpuTarget target;
  CodeOptions code;
  int threads = 1;
  Compiling compiling = {};
  /// Tests prove with it that a wrong kernel is found.
  std::function<void(std::string& text)> tamper = {};
};

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
  Program(plan::Plan plan, const Signature& signature, const ProgramOptions& options);
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

  const plan::Plan& plan() const { return plan_; }
  const std::vector<KernelText>& texts() const { return texts_; }
  const std::vector<LoadedKernel>& loaded() const { return loaded_; }
  /// Source comments: for each text, the lines and the places they come from.
  const std::vector<std::vector<std::pair<int, std::string>>>& notes() const { return notes_; }
  std::uint64_t packed_arguments() const {
    return packed_arguments_.load(std::memory_order_relaxed);
  }

private:
  struct BoundOperand {
    int buffer = -1;
    int offset = 0;           ///< slot
    std::vector<int> strides; ///< slots
  };
  struct BoundStep {
    enum Kind : std::uint8_t { kernel, contraction, scatter } kind = kernel;
    const plan::Step* step = nullptr;
    KernelEntry entry = nullptr;
    // Kernels.
    std::vector<int> buffers;
    std::size_t first_size = 0; ///< of its size arguments among those of all kernels
    int scratch = -1;           ///< slot of the bytes a chunk needs
    // Contractions.
    codegen::ContractionShape product = {};
    std::array<KernelEntry, 4> schemes = {}; ///< by ContractionScheme; null where one cannot occur
    std::optional<codegen::ContractionScheme> scheme = {}; ///< if no other can occur
    std::int64_t work_bytes = -1;                          ///< if all sizes are known
    BoundOperand a, b, alpha;
    int out = -1, so_far = -1, out_row = -1; ///< the last one a slot
    std::vector<int> shape;                  ///< slots
    int k = -1;
    // Scatters.
    int added = -1;
    std::vector<int> positions;
    std::vector<int> added_shape;
  };
  /// A buffer whose memory another call may find elsewhere.
  struct Source {
    enum Kind : std::uint8_t { argument, shared, output, update } kind;
    int buffer = -1;
    int index = -1; ///< argument, output or update number
    ir::SharedState* state = nullptr;
  };
  struct OutputType {
    DType dtype = DType::f32;
    std::vector<int> shape; ///< slots
  };
  struct BufferType {
    DType dtype = DType::f32;
    std::vector<int> shape, strides; ///< slots
  };
  struct SymbolSource {
    int slot, argument, axis; ///< axis -1: the argument's value
  };
  struct AxisCheck {
    int argument, axis, slot;
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

  std::vector<int> slots_of(std::span<const Dim> dims);
  void bind_sources(const Signature& signature);
  void bind_sizes(const Signature& signature);
  void render_and_load(const ProgramOptions& options);
  void bind_steps();
  void render_contractions();
  void bind_contraction(const plan::ContractionStep& contraction, BoundStep& step);
  BoundOperand bind(const plan::Operand& operand);

  [[noreturn]] void refuse_arguments(std::span<const Array> arguments) const;
  bool fits_types(std::span<const Array> arguments) const noexcept;
  static std::int64_t read(const SymbolSource& source, std::span<const Array> arguments) noexcept;
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

  plan::Plan plan_;
  Signature signature_;
  int threads_;
  int vector_bytes_ = 64;
  std::vector<KernelText> texts_;
  std::vector<LoadedKernel> loaded_;
  std::vector<std::vector<std::pair<int, std::string>>> notes_;
  /// One for each shape that the plan's products have.
  struct ContractionTexts {
    codegen::ContractionShape shape;
    std::array<int, 4> of_scheme = {-1, -1, -1, -1}; ///< indices in texts_
  };
  std::vector<ContractionTexts> contraction_texts_;

  SizeTable sizes_;
  std::vector<SymbolSource> symbols_;
  std::vector<AxisCheck> checks_;
  std::vector<std::pair<int, int>> equal_slots_; ///< of constraints between computed dims

  std::vector<std::pair<DType, std::size_t>> argument_types_; ///< dtype and rank
  std::vector<BufferType> buffer_types_;                      ///< one for each buffer
  std::vector<Source> sources_;
  std::vector<std::pair<int, Array>> constants_; ///< buffer and its value
  std::vector<std::pair<int, int>> temps_;       ///< buffer and its slot of the arena
  std::vector<int> slot_bytes_;                  ///< size slots of the arena's slots
  std::vector<int> step_sizes_;                  ///< size slots of Frame::step_sizes
  std::size_t most_arguments_ = 0;               ///< of one kernel
  std::vector<BoundStep> steps_;
  std::vector<Lock> locks_;
  std::vector<BoundUpdate> updates_;
  std::vector<OutputType> outputs_;
  std::atomic<std::uint64_t> packed_arguments_{0};
};

} // namespace kroton::jit
