#pragma once
/// Ops over one more axis: what `kt::vmap` replaces each op of a function by.
///
///   Expr e = batched({.op = ops::sum, .params = …, .inputs = {xs}, .has_axis = {true}, .size = n,
///   …});
///
/// The axis is in front, of the inputs that have it and of the result. Elementwise ops and
/// reductions follow from their kind; the row of any other op says how, or it cannot be mapped.
#include "lib/ir/op.hpp"

namespace kroton::ops {

/// Throws UnsupportedError for an op that cannot be mapped.
Expr batched(const ir::BatchContext& context);

// What rows are written with.

/// Of a row whose results are elementwise. Axes are matched from the last, so an input of lower
/// rank gets axes of size 1 behind its first.
Expr elementwise_over(const ir::BatchContext& context);
/// Of a row whose results are reductions over the axes of its AxesParams.
Expr reduction_over(const ir::BatchContext& context);
/// Input `i` with the axis in front: broadcast over it if it has none.
Expr with_axis(const ir::BatchContext& context, std::size_t i);
/// The same, but an axis that the input lacks has size 1.
Expr with_axis_or_one(const ir::BatchContext& context, std::size_t i);
/// `size`, then `shape`.
ir::DimList behind(const Dim& size, const std::vector<Dim>& shape);
/// An element of the axis for each position: [0, 1, …, size), with `rank` axes of size 1 behind.
Expr element_numbers(const ir::BatchContext& context, int rank);

} // namespace kroton::ops
