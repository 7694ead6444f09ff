#pragma once
/// Programs that run on a CUDA device.
///
/// A call puts its work on the queue of its frame and returns: outputs are arrays on the device,
/// and whoever reads them waits. The host waits only for what it must know: whether a position was
/// out of range, where that cannot be told before, and the elements of outputs that were given in
/// host memory.
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "jit/cuda/backend.hpp"
#include "jit/cuda/cublaslt.hpp"
#include "jit/cuda/memory.hpp"
#include "jit/run/program.hpp"

namespace kroton::jit::cuda {

class CudaProgram : public Program {
public:
  CudaProgram(ProgramParts parts, Gpu& gpu, const Options& options);
  ~CudaProgram() override;

  std::unique_ptr<Frame> make_frame() const override;
  std::vector<Array> run(Frame& frame, std::span<const Array> arguments, const Array* given,
                         const Watcher* watcher = nullptr) override;

private:
  struct CudaFrame;
  class Call;
  /// Each stage's ways of doing its work, in their order.
  using Stages = std::vector<std::vector<const bound::Launch*>>;
  struct BoundStep {
    const bound::DeviceStep* step = nullptr;
    int number = 0;              ///< among the plan's steps
    std::optional<int> product;  ///< its number among matrix products
    std::optional<int> record;   ///< its failure record
    std::optional<int> counter;  ///< of its blocks
    std::size_t first_stage = 0; ///< among those of all steps; those of the epilogue come after
    Stages stages, epilogue;     ///< the latter for a product that is in memory
  };

  /// What is known of a matrix product when its sizes are.
  struct Product {
    /// A batch axis that is walked launch by launch.
    struct Axis {
      std::int64_t size = 1, a_stride = 0, b_stride = 0; ///< strides in elements
    };
    std::array<std::int64_t, 12> sizes = {};          ///< as kernels take them
    std::int64_t batches() const { return sizes[8]; } ///< of a launch
    std::size_t item = 0;                             ///< bytes of an element
    std::int64_t a_offset = 0, b_offset = 0;          ///< in elements
    std::vector<Axis> outer;
    std::int64_t runs = 1; ///< launches of each stage
    std::size_t out_bytes = 0;
    std::shared_ptr<const LtProduct> by_library; ///< null: a generated kernel computes it
    bool has_epilogue = false;                   ///< the library's, which computes that too
    std::int64_t bias_offset = 0;                ///< in elements
  };

  /// A leaf that positions depend on.
  struct RangeLeaf {
    DType dtype = DType::i64;
    const Source* source = nullptr; ///< null: it is the same in all calls, …
    support::Interval constant;     ///< … which this is the interval of
  };

  /// Integers that a call leaves behind.
  struct RangeResult {
    const Source* source = nullptr; ///< what they are in
    DType dtype = DType::i64;
    int value = -1; ///< in `bound_.ranges`
  };

  Product product_of(const bound::DeviceProduct& step, const Frame& frame) const;
  void ask_library(const bound::DeviceProduct& step, const LtShape& shape, Product& product,
                   const Frame& frame) const;
  void bind_steps();
  const std::vector<bound::DeviceStep>& device_steps() const {
    return std::get<std::vector<bound::DeviceStep>>(bound_.steps);
  }
  void add_parameters(const BoundStep& step, CudaFrame& frame) const;
  static Stages stages_of(const std::vector<bound::Launch>& launches);
  void bind_ranges();
  void place_constants();
  std::vector<Address> place_slots(CudaFrame& frame) const;
  void lay_out(Frame& frame) const override;
  void choose(const Stages& stages, std::size_t first, const BoundStep& step,
              CudaFrame& frame) const;
  void load_chosen(CudaFrame& frame) const;
  void place(CudaFrame& frame) const;
  std::size_t bytes_of(int buffer, const Frame& frame) const;

  Gpu& gpu_;
  const int owner_; ///< of memory
  const bool uses_graphs_, allows_tf32_;
  std::vector<BoundStep> steps_;
  std::vector<char> is_written_;           ///< 1 for each buffer that a step writes
  std::size_t checked_steps_ = 0;          ///< all that can fail are among so many first ones
  std::vector<RangeLeaf> range_leaves_;    ///< those of `bound_.ranges` …
  std::vector<RangeResult> range_results_; ///< … and its results
  int products_ = 0;                       ///< matrix products
  int records_ = 0;                        ///< failure records
  int counters_ = 0;                       ///< of blocks
  std::size_t launches_ = 0;               ///< stages of all steps
  std::unique_ptr<Memory> constants_memory_;
  std::vector<std::pair<int, Address>> constant_addresses_; ///< by buffer
};

} // namespace kroton::jit::cuda
