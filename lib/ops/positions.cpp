#include "lib/ops/positions.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "lib/ir/call.hpp"
#include "lib/ir/graph.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/params.hpp"

namespace kroton::ops {

std::vector<Expr> aligned(const std::vector<Expr>& positions, std::string_view op, Location where) {
  std::vector<const ir::Type*> types;
  for (const Expr& p : positions) {
    detail::require_given(p, std::string(op).c_str(), where);
    if (!is_integer(p.dtype()))
      support::fail<TypeError>(op,
                               {.place = ir::place_of(where, positions),
                                .hint = "cast(p, DType::i64); to select by a mask, use where"},
                               "positions must be integers, got {}", p.label());
    types.push_back(&p.node()->type);
  }
  std::vector<ir::Constraint> constraints;
  const ir::Params none;
  ir::InferContext context{gather, types, none, positions, where, constraints, op};
  const auto shape = broadcast_shapes(context);
  std::vector<Expr> result;
  for (const Expr& p : positions) {
    // What an i64 does not hold is outside every axis, and must not wrap to a position inside.
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    Expr e = p.dtype() == DType::u64 ? kroton::minimum({p, where}, {most, where}) : p;
    e = cast_to(e, DType::i64, where);
    if (!ir::dims::same(e.shape(), shape))
      e = ir::make(broadcast_to, {e}, ShapeParams{shape}, where);
    result.push_back(std::move(e));
  }
  return result;
}

std::vector<Expr> with_first(const Expr& first, std::span<const Expr> inputs) {
  std::vector<Expr> all{first};
  all.insert(all.end(), inputs.begin() + 1, inputs.end());
  return all;
}

std::int64_t numel_from(std::span<const std::int64_t> shape, std::size_t k) {
  std::int64_t n = 1;
  for (std::size_t i = k; i < shape.size(); ++i) n *= shape[i];
  return n;
}

void position_failed(const ir::FailureContext& c) {
  const ir::GraphNode& n = c.graph[c.node];
  auto axis = static_cast<std::size_t>(c.failure.site);
  // index() moves the axes that it indexes to the front; the user's own numbering is below.
  const ir::GraphNode* whole = n.op == &gather ? &c.graph[n.inputs[0]] : nullptr;
  while (whole && whole->op == &transpose) {
    axis = static_cast<std::size_t>(whole->params.as<OrderParams>().order[axis]);
    whole = &c.graph[whole->inputs[0]];
  }
  std::string place = support::describe(n.where), of;
  if (whole && !whole->name.empty()) {
    of = fmt::format(" of {} {}", whole->name, whole->type.to_string());
    place += fmt::format("; {} from {}", whole->name, support::describe(whole->where));
  }
  const std::int64_t size = c.failure.bound;
  std::string hint = size == 0 ? "an axis of size 0 has no positions"
                               : fmt::format("positions of an axis of {} run from {} to {}", size,
                                             -size, size - 1);
  support::fail<IndexError>("index", {.place = std::move(place), .hint = std::move(hint)},
                            "position {} is outside axis {}{}, which has size {}, in a call of {}",
                            c.failure.value, axis, of, size, c.function);
}

bool are_positions_mapped(const ir::BatchContext& c) {
  return std::find(c.has_axis.begin() + 1, c.has_axis.end(), true) != c.has_axis.end();
}

void add_positions(const ir::BatchContext& c, std::vector<Expr>& inputs) {
  const std::size_t first = inputs.size();
  for (std::size_t i = 1; i < c.inputs.size(); ++i) inputs.push_back(with_axis(c, i));
  const std::vector<Dim> shape = inputs[first].shape();
  const Expr numbers = element_numbers(c, static_cast<int>(shape.size()) - 1);
  inputs.insert(inputs.begin() + static_cast<std::ptrdiff_t>(first),
                ir::make(broadcast_to, {numbers}, ShapeParams{shape}, c.where));
}

} // namespace kroton::ops
