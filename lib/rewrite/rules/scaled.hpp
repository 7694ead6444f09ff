#pragma once
/// Scalar factors, divisors and signs around a node: what an op that scales its result takes over.
#include "lib/rewrite/rule.hpp"

namespace kroton::rewrite::rules {

struct Scaled {
  NodeId node = ir::no_node;  ///< of the op that was looked for; no_node if it is not there
  NodeId alpha = ir::no_node; ///< of rank 0; no_node: 1
  bool is_negative = false;
};

/// The node of `op` behind them; every layer, and the node itself, must have no other user.
Scaled peel(Site& s, NodeId id, const ir::Op& op);

/// The whole factor, of the dtype of what it scales; with another sign if `is_subtracted`.
NodeId factor_of(Site& s, const Scaled& scaled, DType dtype, bool is_subtracted);

} // namespace kroton::rewrite::rules
