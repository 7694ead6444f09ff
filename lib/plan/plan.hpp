#pragma once
/// The finished plan of a function: kernels, the steps that run them, and the buffers between.
///
///   Plan plan = make_plan(std::move(graph), {.outputs = 1});
///   for (const Step& s : plan.steps) …
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lib/ir/call.hpp"
#include "lib/plan/group.hpp"
#include "lib/plan/kernel.hpp"
#include "lib/support/stage_checks.hpp"

namespace kroton::plan {

enum class BufferKind : std::uint8_t {
  leaf,   ///< an input, shared variable or constant: the node says which; `index` is the number of
          ///< the update that overwrites it in place, or -1
  output, ///< handed to the caller; `index` is the output's number
  update, ///< the new value of a shared variable, in memory of its own; `index` is the update's
          ///< number
  temp,   ///< in slot `index` of the arena
};

struct Buffer {
  NodeId node = ir::no_node;
  BufferKind kind = BufferKind::temp;
  int index = -1;
  DType dtype = DType::f32;
  ir::DimList shape;
  ir::DimList strides; ///< in elements; row-major, with room behind each row if it is padded
};

/// A strided look at a buffer: one stride, in elements, for each axis of the operand.
struct Operand {
  int buffer = -1;
  Dim offset{0};
  std::vector<Dim> strides;
};

struct KernelStep {
  int kernel = 0;
  std::vector<int> buffers; ///< one for each parameter
};

/// What follows from each element of a product: a kernel over the product's own shape, without
/// reductions or computed positions, whose parameter `product` is the product.
struct Epilogue {
  KernelStep kernel;
  int product = 0;
  /// Whether others read the product too. Otherwise the step's `out` is memory that it may be in
  /// until the kernel has run, where both are not computed at once.
  bool keeps_product = false;
};

/// out = a @ b, or out = c + alpha * (a @ b); out is [batches…, m, n], row-major.
struct ContractionStep {
  DType dtype = DType::f32;
  Operand a, b;
  int out = -1;
  Dim out_row{0}; ///< elements from one row of `out` to the next
  std::optional<int>
      c; ///< dense, as `out` is then; the same buffer as `out` when it accumulates in place
  std::optional<Operand> alpha;
  ir::DimList shape;
  Dim k{0};
  std::optional<Epilogue> epilogue;
};

/// An array that a library call reads or writes.
struct CallArray {
  Operand memory;
  ir::DimList shape;
};

/// A call of the function that `op->call` describes.
struct LibraryStep {
  const ir::Op* op = nullptr;
  std::vector<CallArray> results, operands;
  std::vector<Dim> numbers; ///< see ir::LibraryCall
  bool is_ordered = true;   ///< What the function adds up is added in one order in every call.
};

/// A node that a step stores in the memory of one that it reads and nobody reads later.
struct Alias {
  NodeId value = ir::no_node, over = ir::no_node;

  bool operator==(const Alias&) const = default;
};

/// Kinds of step are told apart by `support::match` alone, so that each place that has to know
/// a new one does not compile until it does.
struct Step {
  std::variant<KernelStep, ContractionStep, LibraryStep> what;
  std::vector<NodeId> computes; ///< the nodes it stores …
  std::vector<int> filled;      ///< … and the buffer of each; of a part of a join, the join's
  std::vector<int> reads, writes;
  std::vector<Alias> aliases; ///< of what it computes; see Placement
  bool is_fallible = false;

  /// The kernel that it runs, alone or with a product; null for other steps.
  const KernelStep* kernel() const;
};

struct Plan {
  ir::Graph graph;
  std::vector<Group> groups; ///< group i is kernel i
  std::vector<Kernel> kernels;
  std::vector<Step> steps;
  std::vector<Buffer> buffers;
  std::vector<Dim> slots; ///< bytes of each slot of the arena
  std::vector<Cut> cuts;

  std::string to_string() const;
};

struct PlanOptions {
  std::size_t outputs = 0; ///< the graph's first outputs are the function's, the rest new values
  std::vector<NodeId> updated;    ///< the shared leaf that each further output is the new value of;
                                  ///< no_node if the graph does not read it
  bool one_kernel_each = false;   ///< no fusion
  bool walks_pieces = false;      ///< the target walks long chains in pieces, a block of elements
                                  ///< at a time, so that a kernel may hold all of one
  bool has_epilogues = false;     ///< products are computed together with what follows from each
                                  ///< element; see Epilogue
  bool deterministic = true;      ///< see LibraryStep::is_ordered
  bool splits_reductions = false; ///< many threads fold a sum, each a part of it; see lower
  bool keeps_variables = false;   ///< a call may end after any step, with all variables as before
  bool is_checked = support::are_stages_checked(); ///< kernels and the plan are; see lib/plan/check
};

/// Fuses, lowers, orders and assigns buffers. The graph's outputs are the function's, then the
/// new values of shared variables.
Plan make_plan(ir::Graph graph, const PlanOptions& options);

/// Makes every value that must be in memory of its own a node that a step computes: outputs that
/// are views or leaves, views under a reshape, operands that library calls need dense.
void prepare(ir::Graph& graph);

} // namespace kroton::plan
