#pragma once
/// What a rule looks for: expressions with holes, written as they read.
///
///   const Pattern r = as("s", any(ops::sum, {once(any(ops::exp, {variable("x")}))}));
#include <string_view>
#include <type_traits>
#include <vector>

#include "lib/ir/graph.hpp"

namespace kroton::rewrite {

struct Pattern {
  enum class Kind : std::uint8_t {
    variable,     ///< any node
    constant,     ///< a scalar constant of this value (0.0 and -0.0 differ for floats)
    any_constant, ///< any scalar constant
    op,           ///< a node of `op`
    any_of_kind,  ///< a node whose op is of kind `op_kind`; its inputs are not looked at
  };
  Kind kind = Kind::variable;
  std::string_view name = {}; ///< what the node is bound to; may be empty for ops
  double value = 0;
  const ir::Op* op = nullptr;
  ir::Kind op_kind = ir::Kind::leaf;
  std::vector<Pattern> inputs = {};
  bool is_single_use = false;
  int slot = -1; ///< of `name`, filled in when the rule is made

  Pattern() = default;
  template <class T>
  requires std::is_arithmetic_v<T> Pattern(T v)
      : kind(Kind::constant), value(static_cast<double>(v)) {} // NOLINT: 1 + x
};

/// "log(1 + x)" as `log(add(1, x))`.
std::string to_string(const Pattern& p);

/// `p` with the inputs of commutative ops in every order, so that matching needs no backtracking.
std::vector<Pattern> commuted(const Pattern& p);
/// How many levels of nodes `p` looks at.
int depth(const Pattern& p);

/// The scalar constant behind a node, seen through broadcasts and reshapes; nullptr if it is none.
const ir::GraphNode* constant_behind(const ir::Graph& g, ir::NodeId id);
/// True if the node is that constant; NaN equals nothing.
bool is_constant(const ir::Graph& g, ir::NodeId id, double value);

/// Nodes bound so far, by slot.
struct Bound {
  static constexpr int max_slots = 12;
  ir::NodeId nodes[max_slots];
};

/// Matches without looking for other orders; `uses` holds the number of live uses of each node.
bool match(const ir::Graph& g, const Pattern& p, ir::NodeId id, std::span<const int> uses,
           Bound& bound);

namespace dsl {

Pattern variable(std::string_view name);
Pattern constant(std::string_view name);
Pattern any(const ir::Op& op, std::vector<Pattern> inputs);
Pattern any(ir::Kind kind);
/// Binds the node itself.
Pattern as(std::string_view name, Pattern p);
/// Only if the node has one live use.
Pattern once(Pattern p);

} // namespace dsl
} // namespace kroton::rewrite
