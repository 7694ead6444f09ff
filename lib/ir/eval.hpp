#pragma once
/// The reference evaluator: any graph, op by op, by the rows' own evaluators.
///
///   auto values = evaluate(graph, graph.outputs(), {.values = {{x_id, x}}, .size_of = …});
#include <functional>
#include <unordered_map>

#include "lib/ir/graph.hpp"

namespace kroton::ir {

enum class Precision {
  rounded, ///< each op's result is rounded to its dtype: what an IEEE machine would give, op by op
  widened, ///< floats are long doubles throughout, the result f64: the yardstick for accuracy
  /// The same, and numbers below the normal ones of f64 are zeros: where this differs, a value
  /// hangs on what denormals have left of its digits.
  flushed,
};

struct Bindings {
  std::unordered_map<NodeId, Array>
      values; ///< of inputs and shared variables, and of any node already known
  std::function<std::int64_t(const DimNode&)> size_of;
  /// Of Precision::rounded alone. If not 0, every float that an op rounds is moved by one to
  /// four units in the last place, as this number decides, and so are the floats that sums and
  /// products add up. What overflows on the way to a wanted value becomes the largest finite number
  /// or stays infinite, what underflows the smallest or stays 0 (none stays if the number is a
  /// multiple of 4), and a sum whose terms may overflow in another order is 0, NaN or infinite.
  /// Results that two such numbers do not agree on depend on how intermediate values are rounded,
  /// so arithmetic that is as good may give either.
  std::uint64_t nudge = 0;
  /// Called with each array that an op computes.
  std::function<void(NodeId, const EvalContext&, const Array& value)> watch = nullptr;
};

/// What the row's eval_float or eval_int makes of each element.
Array evaluate_elementwise(const EvalContext& context);

/// The values of `wanted`, which are arrays; throws IndexError where an op does.
std::vector<Array> evaluate(const Graph& graph, std::span<const NodeId> wanted,
                            const Bindings& bindings, Precision precision = Precision::rounded);

} // namespace kroton::ir
