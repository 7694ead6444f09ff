#pragma once
/// A plan in the form that calls run: numbers alone. Sizes are slots of a table; buffers, kernels,
/// leaves and arguments are numbers. So it can be kept, and read by another process.
///
///   BoundPlan bound = bind_plan(derivation, signature, leaves);
///   Program program(std::move(bound), kernels, …);
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "codegen/product/contraction.hpp"
#include "jit/bound/ranges.hpp"
#include "jit/bound/sizes.hpp"
#include "lib/plan/known_epilogue.hpp"
#include "lib/support/digest.hpp"

namespace kroton::jit {

/// The steps of a bound plan: of a plan for the CPU, or of one for a device.
namespace bound {

/// A strided look at a buffer.
struct Operand {
  int buffer = 0;
  int offset = 0;                ///< slot
  std::vector<int> strides = {}; ///< slots
  bool operator==(const Operand&) const = default;
};
/// What a kernel is handed.
struct Arguments {
  std::vector<int> buffers = {};
  int first_size = 0; ///< of its size arguments among those of all steps, …
  int sizes = 0;      ///< … and how many there are
  bool operator==(const Arguments&) const = default;
};
/// A matrix product, however it is computed.
struct Product {
  /// What is added to it, after it was multiplied by the one element that `alpha` is.
  struct Addend {
    int buffer = 0;
    Operand alpha = {};
    bool operator==(const Addend&) const = default;
  };
  codegen::ContractionShape known = {};
  Operand a = {}, b = {};
  std::optional<Addend> addend = std::nullopt;
  int out = 0;
  int out_row = 0;             ///< slot
  std::vector<int> shape = {}; ///< slots
  int k = 0;                   ///< slot
  bool operator==(const Product&) const = default;
};
/// An array that a library call reads or writes.
struct CallArray {
  Operand memory = {};
  std::vector<int> shape = {}; ///< slots
  bool operator==(const CallArray&) const = default;
};
/// A call of the function that the row of an op describes.
struct Call {
  int op = 0; ///< among `ops::all()`
  std::vector<CallArray> results = {}, operands = {};
  /// What the function is told: the size arguments. On a device they and the arrays' buffers,
  /// results first, are the arguments of its kernels.
  Arguments arguments = {};
  bool operator==(const Call&) const = default;
};

// ---- steps on the CPU

struct CpuKernel {
  int code = 0; ///< its number among the kernels
  Arguments arguments = {};
  std::optional<int> scratch = std::nullopt; ///< slot of the bytes a chunk needs
  bool operator==(const CpuKernel&) const = default;
};
struct CpuProduct {
  Product product = {};
  /// Kernels, by codegen::ContractionScheme; none where a scheme cannot occur.
  std::array<std::optional<int>, 4> code_of_scheme = {};
  bool operator==(const CpuProduct&) const = default;
};
struct CpuCall {
  Call call = {};
  bool operator==(const CpuCall&) const = default;
};
struct CpuStep {
  bool is_fallible = false;
  std::variant<CpuKernel, CpuProduct, CpuCall> what = {};
  bool operator==(const CpuStep&) const = default;
};
/// Steps that follow each other and have one function, of which only the last one is fallible.
struct CpuSequence {
  int first = 0, count = 0;
  int code = 0;       ///< its number among the kernels
  int first_size = 0; ///< of its draws among the size arguments of all steps
  bool operator==(const CpuSequence&) const = default;
};

// ---- steps on a device

/// One launch, see codegen::Launch.
struct Launch {
  int code = 0; ///< kernel number
  std::string entry;
  int threads = 0;
  int units = 0; ///< slot
  std::int64_t units_per_block = 1;
  int blocks_per_multiprocessor = 0;
  std::int64_t most_blocks = 0;
  int shared_bytes = 0; ///< slot
  bool always = false;
  int stage = 0;
  int selector = 0; ///< slot
  std::int64_t selector_limit = 0;
  bool operator==(const Launch&) const = default;
};
struct DeviceKernel {
  Arguments arguments = {};
  bool operator==(const DeviceKernel&) const = default;
};
/// What is computed from each element of a product.
struct DeviceEpilogue {
  /// One that a library may have, see plan::KnownEpilogue; nothing else is kept of the product
  /// then.
  struct Known {
    struct Bias {
      int buffer = 0, offset = 0; ///< the latter a slot
      bool operator==(const Bias&) const = default;
    };
    plan::Activation activation = plan::Activation::none;
    std::optional<Bias> bias = std::nullopt;
    int out = 0, out_row = 0; ///< the latter a slot
    bool operator==(const Known&) const = default;
  };
  Arguments arguments = {};          ///< of its kernel
  std::vector<Launch> launches = {}; ///< of that kernel alone, when the product is in `out`
  bool keeps_product = false;        ///< whether `out` is needed when the step is done
  std::optional<Known> known = std::nullopt;
  bool operator==(const DeviceEpilogue&) const = default;
};
struct DeviceProduct {
  Product product = {};
  std::optional<DeviceEpilogue> epilogue = std::nullopt;
  bool operator==(const DeviceProduct&) const = default;
};
struct DeviceCall {
  Call call = {};
  bool clears_results = false; ///< its kernels expect zeros in the results
  bool operator==(const DeviceCall&) const = default;
};
struct DeviceStep {
  bool is_fallible = false;
  std::variant<DeviceKernel, DeviceProduct, DeviceCall> what = {};
  std::vector<Launch> launches = {};
  std::optional<int> scratch = std::nullopt; ///< slot of the bytes that it works in
  bool counts_blocks = false;                ///< see codegen::CudaText
  std::vector<int> reads = {}, writes = {};  ///< buffers: steps may run side by side
  bool operator==(const DeviceStep&) const = default;
};

} // namespace bound

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
  std::vector<Kernel> kernels;
  SizeCode sizes;
  std::vector<SymbolSource> symbols;
  std::vector<Draw> draws;
  std::vector<AxisCheck> checks;
  std::vector<std::pair<int, int>> equal_slots; ///< of constraints between computed dims
  /// What is not required, but taken for granted: calls where two differ run a version that assumes
  /// nothing.
  std::vector<std::pair<int, int>> assumed_slots;
  std::vector<BufferType> buffers;
  std::vector<Source> sources;
  std::vector<Constant> constants;
  std::vector<std::pair<int, int>> temps; ///< buffer and its slot of the arena
  std::vector<int> slot_bytes;            ///< size slots of the arena's slots
  std::vector<int> step_sizes;            ///< size slots of all steps' size arguments
  /// Those of the target that the plan is for.
  std::variant<std::vector<bound::CpuStep>, std::vector<bound::DeviceStep>> steps;
  std::vector<bound::CpuSequence> sequences; ///< in the order of their steps; none on a device
  std::vector<OutputType> outputs;
  RangeCode ranges; ///< on a device: of the positions that steps check

  bool operator==(const BoundPlan&) const = default;
};

} // namespace kroton::jit
