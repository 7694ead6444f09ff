#pragma once
/// Programs that run on a CUDA device.
///
/// A call puts its work on the queue of its frame and returns: outputs are arrays on the device,
/// and whoever reads them waits. The host waits only for what it must know: whether a position was
/// out of range, and the elements of outputs that were given in host memory.
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "jit/cuda/backend.hpp"
#include "jit/cuda/memory.hpp"
#include "jit/program.hpp"

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
  /// One way of launching a kernel.
  struct Variant {
    const BoundPlan::Launch* launch = nullptr;
    EntryPoint entry = nullptr;
    const CudaCode* code = nullptr;
  };
  struct BoundStep {
    const BoundPlan::Step* step = nullptr;
    int number = 0;                           ///< among the plan's steps
    int record = -1;                          ///< its failure record
    std::size_t first_stage = 0;              ///< among those of all steps
    std::vector<std::vector<Variant>> stages; ///< each stage's variants, in their order
  };

  void bind_steps();
  void place_constants();
  void lay_out(Frame& frame) const override;

  Gpu& gpu_;
  const int owner_; ///< of memory
  const bool uses_graphs_;
  std::vector<BoundStep> steps_;
  std::size_t checked_steps_ = 0; ///< all that can fail are among so many first ones
  int records_ = 0;               ///< failure records
  std::size_t launches_ = 0;      ///< stages of all steps
  std::unique_ptr<Memory> constants_memory_;
  std::vector<std::pair<int, Address>> constant_addresses_; ///< by buffer
};

} // namespace kroton::jit::cuda
