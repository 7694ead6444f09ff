#include <algorithm>
#include <set>

#include "lib/ops/basic.hpp"
#include "lib/ir/check.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/contraction.hpp"
#include "lib/plan/plan.hpp"

namespace kroton::plan {
namespace {

bool is_computed(const Graph& g, NodeId id) {
  return is_fusable(g, id) || g[id].op->call || is_join(g, id);
}
bool has_memory(const Graph& g, NodeId id) {
  return is_computed(g, id) || g[id].is_leaf() || is_alias(g, id);
}

/// Copies of one node with different numbers are different nodes.
NodeId copy_of(Graph& g, NodeId id, std::int64_t number = 0) {
  return g.add(ops::copy, {id}, ops::CopyParams{number}, g[id].where);
}

/// The node that a view looks at.
NodeId base_of(const Graph& g, NodeId id) {
  while (is_view(g, id)) id = g[id].inputs[0];
  return id;
}

/// A reduction over axes of size 1 alone moves nothing: the fold of one element is that element.
NodeId trivial_reduction(Graph& g, NodeId id) {
  const ir::GraphNode& n = g[id];
  ir::check_fold(*n.op);
  if (n.op->gives_position()) {
    const NodeId zero =
        g.add(ops::constant, {}, ops::ConstantParams{ir::scalar_of(DType::i64, 0)}, n.where);
    return g.add(ops::broadcast_to, {zero}, ops::ShapeParams{n.type.shape}, n.where);
  }
  return g.add(ops::reshape, {n.inputs[0]}, ops::ShapeParams{n.type.shape}, n.where);
}

} // namespace

void prepare(Graph& g) {
  std::int64_t parts = 0; // of joins
  for (NodeId id : g.order()) {
    const ir::GraphNode& n = g[id];
    if (n.replaced_by != ir::no_node) continue;
    KROTON_CHECK(!n.op->is(ir::Kind::pad) || is_join(g, id),
                 "{} has no kernel, and no rule has taken it apart", n.op->name);
    KROTON_CHECK(n.type.is_array(), "no step computes {}, which has several results", n.op->name);
    if (n.op->is_reduction()) {
      const auto& shape = g[n.inputs[0]].type.shape;
      if (std::ranges::all_of(ops::axes_of(n), [&](std::int64_t a) {
            return shape[static_cast<std::size_t>(a)].is(1);
          }))
        g.replace(id, trivial_reduction(g, id));
      continue;
    }
    ir::NodeIds inputs = n.inputs;
    auto need_memory = [&](std::size_t i) {
      if (!has_memory(g, inputs[i])) inputs[i] = copy_of(g, inputs[i]);
    };
    auto need_base = [&](std::size_t i) {
      if (!has_memory(g, base_of(g, inputs[i]))) inputs[i] = copy_of(g, inputs[i]);
    };
    if (is_join(g, id)) {
      // Each part is stored once for each of its places.
      for (NodeId& part : inputs) part = copy_of(g, part, -++parts);
    } else if (is_alias(g, id)) {
      need_memory(0);
    } else if (n.op->is(ir::Kind::gather)) {
      need_base(0);
    } else if (const ir::LibraryCall* call = n.op->call) {
      for (std::size_t i = 0; i < inputs.size(); ++i) switch (call->layout_of(i)) {
        case ir::Layout::dense:
        case ir::Layout::rows:
          need_memory(i);
          break;
        case ir::Layout::strided:
          need_base(i);
          break;
        }
    }
    if (inputs != n.inputs) g.replace(id, g.add(*n.op, std::move(inputs), n.params, n.where));
  }
  std::set<NodeId> taken;
  for (std::size_t i = 0; i < g.outputs().size(); ++i) {
    const NodeId id = g.outputs()[i];
    if (is_computed(g, id) && taken.insert(id).second) continue;
    g.set_output(i, copy_of(g, id, static_cast<std::int64_t>(i) + 1));
  }
}

} // namespace kroton::plan
