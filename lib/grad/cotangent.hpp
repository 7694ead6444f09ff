#pragma once
/// A gradient on its way from the cost to a node, or a tangent on its way from an input, with what
/// is known of where it is zero.
///
///   where(x > 0, sqrt(x), 0) passes on {value: g, support: x > 0}; sqrt multiplies the value
///   alone, and `selected` gives where(x > 0, g * 0.5 / sqrt(x), 0): 0, not 0 * inf, at x = 0.
///
/// An elementwise op treats each element by itself, so a choice of elements may be made after its
/// derivative as well as before; made after, it also drops what an infinite derivative leaves
/// where nothing was chosen. All other ops are given the chosen values.
#include "lib/ir/op.hpp"

namespace kroton::reverse {

struct Cotangent {
  Expr value;
  /// bool, broadcasts against the value: elements where it is false have gradient 0, whatever
  /// `value` says. Null: nothing is known.
  Expr support = Expr(nullptr);
  /// The choice that is still to be made: `value` is 0 itself where `support` is false and this is
  /// true. Null: none is.
  Expr pending = Expr(nullptr);
  /// `value` came through a sum of products, which is seldom 0 throughout: only ops whose
  /// derivative is infinite at finite inputs have their zeros looked after.
  bool is_summed = false;
};

/// What one user of a node gives to its gradient.
struct Contribution {
  Cotangent gradient;
  Location where; ///< of the user
};

/// The gradient itself.
Expr selected(const Cotangent& c, Location where);
/// The sum of at least one, in order but for those of reads of the node's elements: these are put
/// into one array, each at its place, so that many cost what they have of elements.
Cotangent sum_of(const std::vector<Contribution>& contributions);
/// What the row of a node's op gives to each input: sums over broadcast axes taken, cast to the
/// input's dtype. Null values where an input has none. `outputs` is the node itself, or the parts
/// of one with several results, of which those with null values are not part of the cost.
std::vector<Cotangent> pull_back(const ir::Node& n, std::span<const Expr> outputs,
                                 std::span<const Cotangent> cotangents);
/// Forward mode of an elementwise op: what its result changes by as its inputs do by `tangents`, of
/// which those with null values do not change. The derivatives are those that its row gives to
/// gradients; null where all are.
Cotangent pushed_forward(const ir::Node& n, const Expr& output,
                         std::span<const Cotangent> tangents);

} // namespace kroton::reverse
