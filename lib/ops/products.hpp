#pragma once
/// Arrays whose axes have labels, and products of two of them: what einsum and tensordot are made
/// of.
///
///   // a[i,j] b[k,j] summed over j, as [k,i]
///   const Term p = product_of({a, {i, j}}, {b, {k, j}}, {k, i}, where);
#include <vector>

#include <kroton/expr.hpp>

namespace kroton::ops {

/// Names an axis.
using Label = int;

/// An array and the label of each of its axes, all different.
struct Term {
  Expr value;
  std::vector<Label> labels;
};

/// The term summed over the axes that are not in `kept`, in its own dtype.
Term sum_to_labels(const Term& term, const std::vector<Label>& kept, Location where);

/// The product of two terms of one dtype, summed over the axes that are not in `kept`. Axes of
/// equal labels run together, and have equal sizes. One matrix product if something is summed that
/// both have, and there is more to it than a dot of vectors; operands are copied only where axes
/// that become one are not beside each other in memory. Its axes are in any order.
Term product_of(const Term& a, const Term& b, const std::vector<Label>& kept, Location where);

/// The term with its axes in this order, which are the same ones.
Expr in_order(const Term& term, const std::vector<Label>& labels, Location where);

} // namespace kroton::ops
