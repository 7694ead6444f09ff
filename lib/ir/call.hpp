#pragma once
/// What planning has to know of an op that is computed by a call of a library function, ours or
/// somebody else's, instead of a generated kernel: how the arrays may be in memory, what the
/// function is told besides them, whether it can fail.
///
///   const LibraryCall addition_of_rows{.operands = {Layout::dense},
///                                      .results = {{Layout::dense}},
///                                      .numbers = sizes_of_addition};
///   const Op index_add{.name = "index-add", …, .call = &addition_of_rows};
///
/// The functions themselves belong to the backends: `jit/cpu/library.cpp` lists those of the CPU,
/// `codegen/cuda/library.cpp` those of CUDA devices, one line an op.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/ir/graph.hpp"

namespace kroton::ir {

/// How the array of an operand or a result may be in memory.
enum class Layout : std::uint8_t {
  dense,   ///< row-major, without gaps, from the beginning of its memory
  rows,    ///< the same, but rows may be further apart than they are long; results alone
  strided, ///< any strides, of either sign, from any element; operands alone
};

/// One result of a call.
struct CallResult {
  Layout layout = Layout::dense;
  /// The operand whose memory the result may be written to if nobody reads the operand afterwards.
  /// The function then finds both at one address, and the operand is dense.
  std::optional<std::size_t> in_place_of = std::nullopt;
};

/// An array of a call, as far as a function relies on it without looking.
struct CallType {
  DType dtype = DType::f32;
  std::size_t rank = 0;
};

/// An operand whose elements are positions on an axis.
struct CheckedPositions {
  std::size_t operand = 0;
  Dim axis{0}; ///< the size of the axis
};

struct LibraryCall {
  std::vector<Layout> operands; ///< one for each input of the op; the last stands for the rest
  std::vector<CallResult> results;
  /// What the function is told besides its arrays: sizes, and options as numbers.
  std::vector<Dim> (*numbers)(const Graph& graph, NodeId node) = nullptr;
  /// Whether the function can be called with such arrays and so many numbers: plans that were read
  /// from a cache are asked. Plans that were just made are not: the op's types have been inferred.
  bool (*takes)(std::span<const CallType> results, std::span<const CallType> operands,
                std::size_t numbers) = nullptr;
  /// Of a call that can fail: the positions that it checks. If they are in range, as is often known
  /// before the call has run, it does not fail. Null: only running it tells.
  std::vector<CheckedPositions> (*positions)(const Graph& graph, NodeId node) = nullptr;

  /// How far the results are from satisfying what defines them, relative to what rounding in a good
  /// algorithm comes to, given the call's numbers: Mode::verify takes results for right that are
  /// this near. Where a problem is badly conditioned, or has several solutions, they may be far
  /// from the reference evaluator's. Null: these are the measure.
  double (*backward_error)(std::span<const Array> operands, std::span<const Array> results,
                           std::span<const std::int64_t> numbers) = nullptr;

  Layout layout_of(std::size_t operand) const {
    return operands[operand < operands.size() ? operand : operands.size() - 1];
  }
};

/// What a running step met that it could not continue with. On devices this is the failure record's
/// layout, see codegen/cuda/cuda.hpp.
struct Failure {
  std::int32_t kind = 0; ///< 0: nothing failed. Kernels know 1 alone; calls, what their row says
  std::int32_t site = 0; ///< which of several checks
  std::int64_t value = 0, bound = 0;
};

/// A failure that was met while running, for the row of the node's op to make an error of.
struct FailureContext {
  const Graph& graph;
  NodeId node;
  Failure failure;
  std::string_view function; ///< the name of the function that was called
};

} // namespace kroton::ir
