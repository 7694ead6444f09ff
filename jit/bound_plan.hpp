#pragma once
/// A plan in the form that calls run: numbers alone. Sizes are slots of a table; buffers, kernels,
/// leaves and arguments are numbers. So it can be kept, and read by another process.
///
///   BoundPlan bound = bind_plan(derivation, signature, leaves);
///   Program program(std::move(bound), kernels, …);
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "codegen/contraction.hpp"
#include "jit/ranges.hpp"
#include "jit/sizes.hpp"
#include "lib/plan/known_epilogue.hpp"
#include "lib/support/digest.hpp"

namespace kroton::jit {

struct BoundPlan {
  /// One for each text of the derivation, in its order.
  struct Kernel {
    support::Digest digest; ///< of its key
    std::string title;
    bool is_deferred = false; ///< no code is kept with the plan
    bool operator==(const Kernel&) const = default;
  };
  struct OutputType {
    DType dtype = DType::f32;
    std::vector<int> shape; ///< slots
    bool operator==(const OutputType&) const = default;
  };
  struct BufferType {
    DType dtype = DType::f32;
    std::vector<int> shape, strides; ///< slots
    bool operator==(const BufferType&) const = default;
  };
  /// A buffer whose memory another call may find elsewhere.
  struct Source {
    enum Kind : std::uint8_t { argument, shared, output, update };
    Kind kind = output;
    int buffer = -1;
    int index = -1; ///< argument, leaf, output or update number
    bool operator==(const Source&) const = default;
  };
  /// A buffer that is the same in all calls.
  struct Constant {
    int buffer = -1;
    int leaf = -1; ///< an array of the program; -1: the value stands here
    DType dtype = DType::f32;
    std::vector<std::int64_t> shape = {}; ///< in elements
    std::string bytes = {};               ///< dense
    bool operator==(const Constant&) const = default;
  };
  struct SymbolSource {
    int slot = -1, argument = -1, axis = -1; ///< axis -1: the argument's value
    bool operator==(const SymbolSource&) const = default;
  };
  /// A size that is the number of a draw from a random stream.
  struct Draw {
    int slot = -1, number = -1; ///< among the program's draws, see Leaves
    bool operator==(const Draw&) const = default;
  };
  struct AxisCheck {
    int argument = -1, axis = -1, slot = -1;
    bool operator==(const AxisCheck&) const = default;
  };
  struct Operand {
    int buffer = -1;               ///< -1: there is none
    int offset = -1;               ///< slot
    std::vector<int> strides = {}; ///< slots
    bool operator==(const Operand&) const = default;
  };
  /// One launch on a device, see codegen::Launch.
  struct Launch {
    int code = -1; ///< kernel number
    std::string entry;
    int threads = 0;
    int units = -1; ///< slot
    std::int64_t units_per_block = 1;
    int blocks_per_multiprocessor = 0;
    std::int64_t most_blocks = 0;
    int shared_bytes = -1; ///< slot
    bool always = false;
    int stage = 0;
    int length = -1; ///< slot
    std::int64_t at_most = 0;
    bool operator==(const Launch&) const = default;
  };
  struct Step {
    enum Kind : std::uint8_t { kernel, contraction, scatter };
    Kind kind = kernel;
    bool is_fallible = false;
    int code = -1; ///< of a kernel on the CPU: its number
    // Kernels; on a device the others too.
    std::vector<int> buffers = {};
    int first_size = 0;                ///< of its size arguments among those of all steps, …
    int sizes = 0;                     ///< … and how many there are
    int scratch = -1;                  ///< slot of the bytes a chunk needs, or on a device the step
    bool counts_blocks = false;        ///< on a device, see codegen::CudaText …
    std::vector<Launch> launches = {}; ///< …
    std::vector<int> reads = {}, writes = {}; ///< … where steps may run side by side: buffers
    // Contractions.
    codegen::ContractionShape product = {};
    std::array<int, 4> code_of_scheme = {-1, -1, -1, -1}; ///< -1 where the scheme cannot occur
    Operand a = {}, b = {}, alpha = {};
    int out = -1, so_far = -1, out_row = -1; ///< the last one a slot
    /// With an epilogue, `buffers` and sizes are those of its kernel. These run that kernel when
    /// the product lies in `out`.
    std::vector<Launch> epilogue = {};
    bool keeps_product = true; ///< whether `out` is needed when the step is done
    /// An epilogue that a library may have, see plan::KnownEpilogue; nothing else is kept of the
    /// product then. Without one `out` is -1, without a bias its buffer is.
    struct Known {
      plan::Activation activation = plan::Activation::none;
      int bias = -1, bias_offset = -1; ///< the latter a slot
      int out = -1, out_row = -1;      ///< the latter a slot
      bool operator==(const Known&) const = default;
    } known = {};
    std::vector<int> shape = {}; ///< slots
    int k = -1;                  ///< slot
    // Scatters, which write `out` too.
    int added = -1;
    std::vector<int> positions = {};
    bool operator==(const Step&) const = default;
  };

  std::vector<Kernel> kernels;
  SizeCode sizes;
  std::vector<SymbolSource> symbols;
  std::vector<Draw> draws;
  std::vector<AxisCheck> checks;
  std::vector<std::pair<int, int>> equal_slots; ///< of constraints between computed dims
  std::vector<BufferType> buffers;
  std::vector<Source> sources;
  std::vector<Constant> constants;
  std::vector<std::pair<int, int>> temps; ///< buffer and its slot of the arena
  std::vector<int> slot_bytes;            ///< size slots of the arena's slots
  std::vector<int> step_sizes;            ///< size slots of all steps' size arguments
  std::vector<Step> steps;
  std::vector<OutputType> outputs;
  RangeCode ranges; ///< on a device: of the positions that steps check

  bool operator==(const BoundPlan&) const = default;
};

} // namespace kroton::jit
