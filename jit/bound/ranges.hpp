#pragma once
/// What integers a plan's positions and results are among: straight-line code over intervals, which
/// says before a call's work whether a position can be out of range, and what is known of its
/// results without looking at them.
///
///   RangeTable table(graph, sizes, buffer_of);        // while compiling
///   const int labels = table.values({{position}})[0];
///   table.check(labels, size_of_the_axis);
///   table.result(buffer, next_position);
///   table.code().run(sizes, leaves, values);          // in a call
///   table.code().holds(sizes, values);                // true: none is out of range
///
/// It is exact where a position is an element of one array that was moved or shifted, and never too
/// narrow: where nothing is known, a value is any integer of its dtype.
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "jit/bound/sizes.hpp"
#include "lib/ir/graph.hpp"
#include "lib/support/interval.hpp"

namespace kroton::jit {

struct RangeCode {
  /// The interval of one value; numbered as they stand.
  struct Instruction {
    enum Kind : std::uint8_t {
      any,        ///< nothing is known
      leaf,       ///< of the elements of leaf number `a`
      number,     ///< `value`
      size,       ///< size slot `a`
      count,      ///< 0 and up, as many as size slot `a` says
      op,         ///< the row's, given values `a`, `b` and `c`
      total,      ///< of sums of as many of value `a` as size slot `b` says
      extreme,    ///< the same of the largest or smallest of so many
      from_front, ///< value `a`, plus value `b` where it is negative
    };
    Kind kind = any;
    DType dtype = DType::i64; ///< of the value
    int row = -1;             ///< among `ops::all()`
    int a = -1, b = -1, c = -1;
    std::int64_t value = 0;
    bool operator==(const Instruction&) const = default;
  };
  /// -size ≤ value < size
  struct Check {
    int value = -1, size = -1; ///< the latter a slot
    bool operator==(const Check&) const = default;
  };

  /// What a call leaves in a buffer.
  struct Result {
    int buffer = -1, value = -1;
    bool operator==(const Result&) const = default;
  };

  std::vector<int> leaves; ///< the buffer of each
  int checked_leaves = 0;  ///< those that checks may depend on come first
  std::vector<Instruction> code;
  std::vector<Check> checks;
  /// Whether steps fail for nothing but what the checks ask.
  bool is_complete = true;
  std::vector<Result> results;

  /// Sets `values`, one for each instruction, given the sizes' values and each leaf's interval.
  void run(std::span<const std::int64_t> sizes, std::span<const support::Interval> leaf_values,
           std::vector<support::Interval>& values) const;
  /// Whether no step can fail whatever the values are: every check holds, and they are complete.
  bool holds(std::span<const std::int64_t> sizes, std::span<const support::Interval> values) const;
  bool operator==(const RangeCode&) const = default;
};

/// The interval of an integer or bool array's elements, which are dense; 0 if there are none.
support::Interval interval_of(DType dtype, const void* elements, std::size_t numel);
/// The same of an array in host memory.
support::Interval interval_of(const Array& array);

class RangeTable {
public:
  /// `buffer_of` gives a leaf's buffer, or -1. Sizes get slots in `sizes`.
  RangeTable(const ir::Graph& graph, SizeTable& sizes, std::function<int(ir::NodeId)> buffer_of);

  /// The numbers of these nodes' values.
  std::vector<int> values(std::span<const ir::NodeId> nodes);
  /// Asks whether positions are in an axis.
  void check(int value, const Dim& size);
  /// Asks what a call leaves in a buffer that holds this node's values then. Comes after all
  /// checks: what only results depend on is not worth looking for.
  void result(int buffer, ir::NodeId node);
  const RangeCode& code() const { return code_; }

private:
  /// How a node's value comes from others: an instruction whose operands are nodes.
  struct Origin {
    RangeCode::Instruction how;
    support::SmallVector<ir::NodeId, 3> from = {};
    bool is_same = false; ///< as that of `from`
  };
  Origin origin_of(const ir::GraphNode& n);
  Origin origin_of_leaf(ir::NodeId id, const ir::GraphNode& n) const;
  Origin origin_of_elementwise(const ir::GraphNode& n);
  Origin origin_of_reduction(const ir::GraphNode& n);
  /// The position p and the size n of where(p < 0, p + n, p).
  std::optional<std::pair<ir::NodeId, ir::NodeId>> from_front(const ir::GraphNode& n) const;
  int add(const Origin& origin);

  const ir::Graph& graph_;
  SizeTable& sizes_;
  std::function<int(ir::NodeId)> buffer_of_;
  std::unordered_map<ir::NodeId, int> known_;
  std::unordered_map<int, int> leaf_of_buffer_;
  RangeCode code_;
};

} // namespace kroton::jit
