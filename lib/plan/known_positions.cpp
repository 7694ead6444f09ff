#include "lib/plan/known_positions.hpp"

#include <algorithm>

#include "lib/ir/dim_normal.hpp"
#include "lib/ops/arithmetic.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/params.hpp"

namespace kroton::plan {
namespace {

namespace dims = ir::dims;

const ir::GraphNode& behind_views(const Graph& graph, NodeId id) {
  return graph[resolve_view(graph, id, graph[id].type.rank()).base];
}

bool is_number(const ir::GraphNode& n, const Dim& d) {
  if (n.type.dtype != DType::i64) return false;
  if (n.op == &ops::size) return dims::same(n.params.as<ops::SizeParams>().size, d);
  return n.op == &ops::constant && d.is_static() &&
         static_cast<std::int64_t>(ops::constant_in(n).bits()) == d.value();
}

/// Known, or taken for granted.
bool has_elements(const Graph& graph, const Dim& size) {
  if (size.is_static()) return size.value() > 0;
  const auto least = dims::lower_bound(size);
  return (least && *least > 0) || std::ranges::any_of(graph.checks(), [&](const ir::DimCheck& c) {
           return c.constraint.is_assumed && c.constraint.b.is(1) &&
                  dims::same(c.constraint.a, dims::min(size, Dim(1)));
         });
}

} // namespace

bool cover_axis(const Graph& graph, const View& positions, const Dim& size) {
  const ir::GraphNode& n = graph[positions.base];
  return n.op == &ops::iota && positions.is_pure() && positions.axes[0].axis >= 0 &&
         dims::same(n.params.as<ops::SizeParams>().size, size);
}

bool are_cut_off(const Graph& graph, const View& positions, const Dim& size) {
  const ir::GraphNode& n = graph[positions.base];
  if (n.op != &ops::minimum || n.type.dtype != DType::i64 || !has_elements(graph, size))
    return false;
  for (std::size_t side = 0; side < 2; ++side) {
    const ir::GraphNode& from = behind_views(graph, n.inputs[1 - side]);
    if (from.op != &ops::maximum ||
        !is_number(behind_views(graph, n.inputs[side]), dims::sub(size, Dim(1))))
      continue;
    if (is_number(behind_views(graph, from.inputs[0]), Dim(0)) ||
        is_number(behind_views(graph, from.inputs[1]), Dim(0)))
      return true;
  }
  return false;
}

} // namespace kroton::plan
