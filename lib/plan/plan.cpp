#include "lib/plan/plan.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "lib/ops/ops.hpp"
#include "lib/plan/lower.hpp"
#include "lib/plan/placement.hpp"

namespace kroton::plan {
namespace dims = ir::dims;
namespace {

/// A step before its kernel is lowered: a group, or a node that a library step computes.
struct Item {
  int group = -1;
  NodeId node = ir::no_node;
  std::vector<NodeId> computes; ///< nodes it can give to others
  std::set<NodeId> needs;       ///< stored nodes it reads (aliases resolved)
  bool is_fallible = false;
  bool writes_update = false;
  int position = 0;
};

bool is_library_node(const Graph& g, NodeId id) {
  return g[id].op->has(ir::Trait::contraction) || g[id].op->has(ir::Trait::scatter);
}

/// The stored nodes that a member reads from outside its group.
void collect_needs(const Graph& g, NodeId id, const Group* group, std::set<NodeId>& needs) {
  auto need = [&](NodeId base) {
    if (group && group->find(base)) return;
    const ir::Op* op = g[base].op;
    if (op == &ops::iota || op == &ops::size) return;
    needs.insert(storage_of(g, base));
  };
  for (NodeId i : g[id].inputs) {
    while (is_view(g, i)) i = g[i].inputs[0];
    need(i);
  }
}

/// Runnable order. Among steps that are ready, those that can fail go first and those that write
/// shared variables last: then nothing is half updated when a position is out of range, and
/// most updates can be made in place.
std::vector<Item> ordered(std::vector<Item> items) {
  std::map<NodeId, int> maker;
  for (std::size_t i = 0; i < items.size(); ++i)
    for (NodeId id : items[i].computes) maker[id] = static_cast<int>(i);
  std::vector<std::vector<int>> users(items.size());
  std::vector<int> waiting(items.size(), 0);
  for (std::size_t i = 0; i < items.size(); ++i) {
    std::set<int> before;
    for (NodeId id : items[i].needs)
      if (const auto it = maker.find(id); it != maker.end() && it->second != static_cast<int>(i))
        before.insert(it->second);
    for (int b : before) users[static_cast<std::size_t>(b)].push_back(static_cast<int>(i));
    waiting[i] = static_cast<int>(before.size());
  }
  auto rank = [&](int i) {
    const Item& x = items[static_cast<std::size_t>(i)];
    return std::tuple(x.writes_update, !x.is_fallible, x.position, i);
  };
  auto later = [&](int a, int b) { return rank(a) < rank(b); };
  std::set<int, decltype(later)> ready(later);
  for (std::size_t i = 0; i < items.size(); ++i)
    if (waiting[i] == 0) ready.insert(static_cast<int>(i));
  std::vector<Item> result;
  while (!ready.empty()) {
    const int i = *ready.begin();
    ready.erase(ready.begin());
    for (int u : users[static_cast<std::size_t>(i)])
      if (--waiting[static_cast<std::size_t>(u)] == 0) ready.insert(u);
    result.push_back(std::move(items[static_cast<std::size_t>(i)]));
  }
  KROTON_CHECK(result.size() == items.size(), "{} of {} steps depend on each other in a circle",
               items.size() - result.size(), items.size());
  return result;
}

/// A matmul operand: strides of its own axes through whatever views lie before it.
struct OperandView {
  NodeId storage;
  Operand operand;
};
OperandView operand_of(const Graph& g, NodeId id, const Padding& padding) {
  const View v = resolve_view(g, id, g[id].type.rank());
  OperandView o{storage_of(g, v.base), {}};
  const auto strides = padding.strides(v.base);
  o.operand.strides.assign(g[id].type.shape.size(), Dim(0));
  for (std::size_t i = 0; i < v.axes.size(); ++i) {
    const AxisMap& m = v.axes[i];
    if (!m.start.is(0))
      o.operand.offset = dims::add(o.operand.offset, dims::mul(m.start, strides[i]));
    if (m.axis < 0) continue;
    Dim& s = o.operand.strides[static_cast<std::size_t>(m.axis)];
    const Dim moved = dims::mul(strides[i], Dim(std::abs(m.step)));
    s = m.step < 0 ? dims::sub(s, moved) : dims::add(s, moved);
  }
  return o;
}

} // namespace

Plan make_plan(ir::Graph graph, const PlanOptions& options) {
  prepare(graph);
  // Numbers change when the dead are dropped; leaves are found again by what they stand for.
  std::vector<const void*> updated_leaf; // null for variables that the graph does not read
  for (NodeId id : options.updated)
    updated_leaf.push_back(id == ir::no_node ? nullptr : graph[id].attrs.leaf.get());
  Plan plan;
  graph.compact();
  plan.graph = std::move(graph);
  const Graph& g = plan.graph;
  const auto order = g.order();

  Fusion fusion = fuse(g, order, options.one_kernel_each);
  plan.cuts = std::move(fusion.cuts);

  std::map<NodeId, int> position;
  for (std::size_t i = 0; i < order.size(); ++i) position[order[i]] = static_cast<int>(i);
  std::set<NodeId> new_values(g.outputs().begin() + static_cast<std::ptrdiff_t>(options.outputs),
                              g.outputs().end());

  std::vector<Item> items;
  for (std::size_t k = 0; k < fusion.groups.size(); ++k) {
    Item item;
    item.group = static_cast<int>(k);
    for (const Member& m : fusion.groups[k].members) {
      item.computes.push_back(m.id);
      collect_needs(g, m.id, &fusion.groups[k], item.needs);
      item.is_fallible = item.is_fallible || g[m.id].op->has(ir::Trait::fallible);
      item.writes_update = item.writes_update || new_values.contains(m.id);
      item.position = position.at(m.id);
    }
    items.push_back(std::move(item));
  }
  for (NodeId id : order) {
    if (!is_library_node(g, id)) continue;
    Item item;
    item.node = id;
    item.computes = {id};
    collect_needs(g, id, nullptr, item.needs);
    item.is_fallible = g[id].op->has(ir::Trait::fallible);
    item.writes_update = new_values.contains(id);
    item.position = position.at(id);
    items.push_back(std::move(item));
  }
  items = ordered(std::move(items));

  std::set<NodeId> needed(g.outputs().begin(), g.outputs().end());
  for (const Item& item : items) needed.insert(item.needs.begin(), item.needs.end());

  const Padding padding = choose_padding(g, fusion.groups);
  Placement placement(plan, options.outputs, padding);
  for (NodeId id : order)
    if (g[id].is_leaf()) placement.add_leaf(id);
  for (std::size_t i = 0; i < options.outputs; ++i)
    placement.is_output(g.outputs()[i], static_cast<int>(i));
  for (std::size_t i = options.outputs; i < g.outputs().size(); ++i) {
    const void* leaf = updated_leaf[i - options.outputs];
    const auto shared = std::ranges::find_if(order, [&](NodeId id) {
      return leaf && g[id].is_leaf() && g[id].attrs.leaf.get() == leaf;
    });
    placement.is_update(g.outputs()[i], shared == order.end() ? ir::no_node : *shared,
                        static_cast<int>(i - options.outputs));
  }
  for (std::size_t s = 0; s < items.size(); ++s)
    for (NodeId id : items[s].needs)
      placement.is_read(id, static_cast<int>(s), items[s].is_fallible);

  plan.steps.reserve(items.size());
  plan.kernels.reserve(fusion.groups.size());
  plan.groups.reserve(fusion.groups.size());
  for (std::size_t s = 0; s < items.size(); ++s) {
    Item& item = items[s];
    Step step;
    step.is_fallible = item.is_fallible;
    placement.begin_step(static_cast<int>(s), item.is_fallible);
    if (item.group >= 0) {
      Group& group = fusion.groups[static_cast<std::size_t>(item.group)];
      std::set<NodeId> stored;
      for (const Member& m : group.members)
        if (needed.contains(m.id)) stored.insert(m.id);
      Lowered lowered = lower(g, group, stored, padding);
      step.computes.assign(stored.begin(), stored.end());
      KernelStep ks;
      ks.kernel = static_cast<int>(plan.kernels.size());
      ks.buffers = placement.place_kernel(lowered, step.computes);
      plan.kernels.push_back(std::move(lowered.kernel));
      plan.groups.push_back(std::move(group));
      for (std::size_t i = 0; i < ks.buffers.size(); ++i) {
        const Param& p = plan.kernels.back().params[i];
        if (p.is_read) step.reads.push_back(ks.buffers[i]);
        if (p.is_written) step.writes.push_back(ks.buffers[i]);
      }
      step.what = std::move(ks);
    } else if (g[item.node].op->has(ir::Trait::contraction)) {
      const ir::GraphNode& n = g[item.node];
      const std::size_t first = n.op == &ops::gemm ? 1 : 0;
      ContractionStep c;
      c.dtype = n.type.dtype;
      c.shape = n.type.shape;
      c.k = g[n.inputs[first]].type.shape.back();
      auto operand = [&](NodeId id) {
        OperandView o = operand_of(g, id, padding);
        o.operand.buffer = placement.buffer_of(o.storage);
        step.reads.push_back(o.operand.buffer);
        return o.operand;
      };
      c.a = operand(n.inputs[first]);
      c.b = operand(n.inputs[first + 1]);
      std::optional<NodeId> accumulates;
      if (first == 1) {
        c.alpha = operand(n.inputs[3]);
        const NodeId so_far = storage_of(g, n.inputs[0]);
        c.c = placement.buffer_of(so_far);
        step.reads.push_back(*c.c);
        // In place only if the product does not read what it writes.
        if (*c.c != c.a.buffer && *c.c != c.b.buffer) accumulates = so_far;
      }
      c.out = placement.place_node(item.node, accumulates);
      c.out_row = padding.strides(item.node)[c.shape.size() - 2];
      step.writes.push_back(c.out);
      step.computes = {item.node};
      step.what = std::move(c);
    } else {
      const ir::GraphNode& n = g[item.node];
      ScatterStep sc;
      sc.added = placement.buffer_of(storage_of(g, n.inputs[0]));
      step.reads.push_back(sc.added);
      for (std::size_t i = 1; i < n.inputs.size(); ++i) {
        sc.positions.push_back(placement.buffer_of(storage_of(g, n.inputs[i])));
        step.reads.push_back(sc.positions.back());
      }
      sc.out = placement.place_node(item.node, std::nullopt);
      step.writes.push_back(sc.out);
      step.computes = {item.node};
      step.what = std::move(sc);
    }
    for (NodeId id : step.computes) step.filled.push_back(placement.buffer_of(id));
    placement.end_step();
    plan.steps.push_back(std::move(step));
  }
  return plan;
}

std::string Plan::to_string() const {
  static constexpr const char* kinds[] = {"leaf", "output", "update", "temp"};
  std::string text = "buffers\n";
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const Buffer& b = buffers[i];
    const auto& node = graph[b.node];
    text += fmt::format("  b{} {}{} {}{}{}\n", i, kinds[static_cast<int>(b.kind)],
                        b.kind == BufferKind::leaf ? fmt::format(" {} {}", node.op->name, node.name)
                        : b.kind == BufferKind::temp ? fmt::format(" slot {}", b.index)
                                                     : fmt::format(" {}", b.index),
                        kroton::to_string(b.dtype), dims::to_string(b.shape), "");
  }
  text += "steps\n";
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& s = steps[i];
    std::string what;
    if (const auto* k = std::get_if<KernelStep>(&s.what))
      what = fmt::format("kernel {} ({}, {} nodes)", k->kernel,
                         kernels[static_cast<std::size_t>(k->kernel)].title,
                         groups[static_cast<std::size_t>(k->kernel)].members.size());
    else if (const auto* c = std::get_if<ContractionStep>(&s.what))
      what =
          fmt::format("contraction {}x{}{}", dims::to_string(c->shape), c->k.to_string(),
                      c->c ? (*c->c == c->out ? ", accumulating in place" : ", accumulating") : "");
    else
      what = "scatter-add";
    text += fmt::format("  {}: {} reads [b{}] writes [b{}]{}\n", i, what, fmt::join(s.reads, ", b"),
                        fmt::join(s.writes, ", b"), s.is_fallible ? ", may fail" : "");
  }
  if (!slots.empty()) {
    text += "arena\n";
    for (std::size_t i = 0; i < slots.size(); ++i)
      text += fmt::format("  slot {}: {} bytes\n", i, slots[i].to_string());
  }
  return text;
}

} // namespace kroton::plan
