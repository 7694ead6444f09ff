#include "lib/ops/batch.hpp"

#include <algorithm>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/params.hpp"

namespace kroton::ops {
namespace {

using ir::BatchContext;
using ir::Kind;

/// The rank of input `i` without the axis.
int own_rank(const BatchContext& c, std::size_t i) {
  return c.inputs[i].rank() - (c.has_axis[i] ? 1 : 0);
}

Expr reshaped(const Expr& e, ir::DimList shape, Location where) {
  return ir::make(reshape, {e}, ShapeParams{std::move(shape)}, where);
}

} // namespace

Expr elementwise_over(const BatchContext& c) {
  int rank = 0;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) rank = std::max(rank, own_rank(c, i));
  std::vector<Expr> inputs;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    const Expr& e = c.inputs[i];
    const int missing = rank - own_rank(c, i);
    if (!c.has_axis[i] || missing == 0) {
      inputs.push_back(e);
      continue;
    }
    std::vector<Dim> shape = e.shape();
    shape.insert(shape.begin() + 1, static_cast<std::size_t>(missing), Dim(1));
    inputs.push_back(reshaped(e, std::move(shape), c.where));
  }
  return ir::make(c.op, std::move(inputs), c.params, c.where);
}

Expr reduction_over(const BatchContext& c) {
  AxesParams params = c.params.as<AxesParams>();
  for (std::int64_t& axis : params.axes) ++axis;
  return ir::make(c.op, {c.inputs[0]}, std::move(params), c.where);
}

ir::DimList behind(const Dim& size, const std::vector<Dim>& shape) {
  std::vector<Dim> result{size};
  result.insert(result.end(), shape.begin(), shape.end());
  return result;
}

Expr with_axis_or_one(const BatchContext& c, std::size_t i) {
  const Expr& e = c.inputs[i];
  return c.has_axis[i] ? e : reshaped(e, behind(Dim(1), e.shape()), c.where);
}

Expr with_axis(const BatchContext& c, std::size_t i) {
  const Expr& e = c.inputs[i];
  if (c.has_axis[i]) return e;
  return ir::make(broadcast_to, {e}, ShapeParams{behind(c.size, e.shape())}, c.where);
}

Expr element_numbers(const BatchContext& c, int rank) {
  const Expr numbers = ir::make(iota, {}, SizeParams{c.size}, c.where);
  if (rank == 0) return numbers;
  std::vector<Dim> shape(static_cast<std::size_t>(rank) + 1, Dim(1));
  shape[0] = c.size;
  return reshaped(numbers, std::move(shape), c.where);
}

Expr batched(const BatchContext& c) {
  if (c.op.batched != nullptr) return c.op.batched(c);
  switch (c.op.kind) {
  case Kind::elementwise:
    return elementwise_over(c);
  case Kind::reduction:
    return reduction_over(c);
  case Kind::leaf:
  case Kind::generator:
  case Kind::random:
  case Kind::movement:
  case Kind::pad:
  case Kind::gather:
  case Kind::scatter:
  case Kind::contraction:
  case Kind::library:
  case Kind::several:
    break;
  case Kind::part:
    return ir::make(c.op, {c.inputs[0]}, c.params, c.where);
  }
  support::fail<UnsupportedError>(
      "vmap",
      {.place = ir::place_of(c.where, c.inputs),
       .hint =
           "compute it outside of the mapped function, or write the function for a whole batch"},
      "{} cannot be computed for each element of an axis", c.op.name);
}

} // namespace kroton::ops
