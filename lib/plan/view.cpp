#include "lib/plan/view.hpp"

#include <algorithm>

#include "lib/ir/dim_normal.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/custom.hpp"
#include "lib/ops/joining.hpp"
#include "lib/ops/movement.hpp"

namespace kroton::plan {
namespace dims = ir::dims;
namespace {

/// For a reshape that only adds or drops axes of size 1: the output axis of each input axis
/// (-1 for those of size 1). False for other reshapes.
bool matching_axes(const std::vector<Dim>& from, const std::vector<Dim>& to,
                   std::vector<int>& out_of_in) {
  out_of_in.assign(from.size(), -1);
  std::size_t j = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i].is(1)) continue;
    while (j < to.size() && to[j].is(1)) ++j;
    if (j == to.size() || !dims::same(from[i], to[j])) return false;
    out_of_in[i] = static_cast<int>(j++);
  }
  while (j < to.size() && to[j].is(1)) ++j;
  return j == to.size();
}

} // namespace

bool View::is_pure() const {
  return std::ranges::all_of(axes, [](const AxisMap& m) { return m.start.is(0) && m.step == 1; });
}

bool is_view(const Graph& graph, NodeId id) {
  const ir::GraphNode& n = graph[id];
  if (n.op == &ops::reshape) {
    std::vector<int> ignored;
    return matching_axes(graph[n.inputs[0]].type.shape, n.type.shape, ignored);
  }
  return n.op->is(ir::Kind::movement);
}

bool is_alias(const Graph& graph, NodeId id) {
  return graph[id].op == &ops::reshape && !is_view(graph, id);
}

View resolve_view(const Graph& graph, NodeId operand, int rank) {
  const auto& shape = graph[operand].type.shape;
  AxisMaps axes(shape.size());
  const int offset = rank - static_cast<int>(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (!shape[i].is(1)) axes[i].axis = offset + static_cast<int>(i);
  return resolve_view(graph, operand, std::move(axes));
}

View resolve_view(const Graph& graph, NodeId operand, AxisMaps axes) {
  NodeId id = operand;
  while (is_view(graph, id)) {
    const ir::GraphNode& n = graph[id];
    const NodeId input = n.inputs[0];
    const auto& from = graph[input].type.shape;
    AxisMaps next(from.size());
    if (n.op == &ops::transpose) {
      const ir::Ints& order = n.params.as<ops::OrderParams>().order;
      for (std::size_t i = 0; i < axes.size(); ++i)
        next[static_cast<std::size_t>(order[i])] = axes[i];
    } else if (n.op == &ops::broadcast_to) {
      const std::size_t offset = axes.size() - from.size();
      for (std::size_t i = 0; i < from.size(); ++i)
        if (!from[i].is(1)) next[i] = axes[i + offset];
    } else if (n.op == &ops::slice) {
      const auto& taken = n.params.as<ops::SliceParams>();
      for (std::size_t i = 0; i < axes.size(); ++i) {
        const std::int64_t step = taken.steps[i];
        // Who reads an element reads one of the input's axis.
        const Dim start = dims::below(taken.starts[i], from[i]);
        Dim moved = axes[i].start.is(0) ? Dim(0) : dims::mul(axes[i].start, Dim(std::abs(step)));
        // One element of many, even if it is the first, is not all of the axis.
        const bool is_one = axes[i].axis < 0 && !from[i].is(1);
        next[i] = {axes[i].axis, step > 0 ? dims::add(start, moved) : dims::sub(start, moved),
                   is_one ? 0 : axes[i].step * step};
      }
    } else if (n.op == &ops::reshape) {
      std::vector<int> out_of_in;
      matching_axes(from, n.type.shape, out_of_in);
      for (std::size_t i = 0; i < from.size(); ++i)
        if (out_of_in[i] >= 0) next[i] = axes[static_cast<std::size_t>(out_of_in[i])];
    } else {
      KROTON_CHECK(n.op == &ops::stop_gradient || n.op == &ops::recompute, "no view is known of {}",
                   n.op->name);
      next = axes;
    }
    axes = std::move(next);
    id = input;
  }
  return {id, std::move(axes)};
}

NodeId storage_of(const Graph& graph, NodeId id) {
  while (is_alias(graph, id)) id = graph[id].inputs[0];
  return id;
}

bool is_join(const Graph& graph, NodeId id) { return graph[id].op == &ops::join; }

std::optional<JoinPlace> place_in_join(const Graph& graph, NodeId id) {
  if (graph[id].op != &ops::copy) return std::nullopt;
  for (NodeId user : graph[id].users) {
    if (!is_join(graph, user)) continue;
    const ir::NodeIds& parts = graph[user].inputs;
    const auto number = static_cast<std::size_t>(std::ranges::find(parts, id) - parts.begin());
    return JoinPlace{user, graph[user].params.as<ops::JoinParams>().starts_of(number)};
  }
  return std::nullopt;
}

NodeId stored_in(const Graph& graph, NodeId id) {
  const auto place = place_in_join(graph, id);
  return place ? place->whole : id;
}

} // namespace kroton::plan
