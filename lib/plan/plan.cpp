#include "lib/plan/plan.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/contraction.hpp"
#include "lib/plan/alias.hpp"
#include "lib/plan/check.hpp"
#include "lib/plan/constants.hpp"
#include "lib/plan/epilogue.hpp"
#include "lib/plan/known_epilogue.hpp"
#include "lib/plan/lower.hpp"
#include "lib/plan/placement.hpp"
#include "lib/support/match.hpp"

namespace kroton::plan {
namespace dims = ir::dims;
namespace {

/// A step before its kernel is lowered: a group, a node that a library call computes, or a product
/// and the group that is its epilogue.
struct Item {
  int group = -1;
  NodeId node = ir::no_node;
  std::vector<NodeId> computes; ///< nodes it can give to others
  std::set<NodeId> needs;       ///< stored nodes it reads (aliases resolved)
  bool is_fallible = false;
  bool writes_update = false;
  int position = 0;
};

/// The stored nodes that a node reads and that are none of `group`'s, by the group of each node.
void collect_needs(const Graph& g, NodeId id, int group, std::span<const int> group_of,
                   std::set<NodeId>& needs) {
  auto need = [&](NodeId base) {
    if (group >= 0 && group_of[static_cast<std::size_t>(base)] == group) return;
    if (g[base].op->is(ir::Kind::generator)) return;
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

/// A matmul operand: strides of its own axes through whatever views are before it.
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

/// Every group, with the product that it is the epilogue of, every other node that a library step
/// computes, and every join, which no step does, in no particular order. `new_values` are those of
/// shared variables.
std::vector<Item> make_items(const Graph& g, std::span<const NodeId> order,
                             const std::vector<Group>& groups, std::span<const NodeId> product_of,
                             const std::set<NodeId>& new_values) {
  std::map<NodeId, int> position;
  for (std::size_t i = 0; i < order.size(); ++i) position[order[i]] = static_cast<int>(i);
  std::vector<int> group_of(g.numel(), -1);
  for (std::size_t k = 0; k < groups.size(); ++k)
    for (const Member& m : groups[k].members)
      group_of[static_cast<std::size_t>(m.id)] = static_cast<int>(k);
  const auto add = [&](Item& item, NodeId id, int group) {
    item.computes.push_back(id);
    collect_needs(g, id, group, group_of, item.needs);
    item.is_fallible = item.is_fallible || g[id].op->has(ir::Property::fallible);
    item.writes_update = item.writes_update || new_values.contains(id);
    item.position = position.at(id);
  };
  std::vector<Item> items;
  for (std::size_t k = 0; k < groups.size(); ++k) {
    Item item;
    item.group = static_cast<int>(k);
    item.node = product_of[k];
    if (item.node != ir::no_node) add(item, item.node, -1);
    for (const Member& m : groups[k].members) add(item, m.id, static_cast<int>(k));
    items.push_back(std::move(item));
  }
  const std::set<NodeId> joined(product_of.begin(), product_of.end());
  for (NodeId id : order) {
    if ((!g[id].op->call && !is_join(g, id)) || joined.contains(id)) continue;
    Item item;
    item.node = id;
    add(item, id, -1);
    items.push_back(std::move(item));
  }
  return items;
}

/// What stands behind the variables that are updated, null for those that the graph does not read:
/// numbers of nodes change when the dead are dropped.
std::vector<const void*> leaves_of(const Graph& g, const std::vector<NodeId>& variables) {
  std::vector<const void*> leaves;
  for (NodeId id : variables) leaves.push_back(id == ir::no_node ? nullptr : g[id].params.leaf());
  return leaves;
}

std::vector<NodeId> leaves_in(const Graph& g, std::span<const NodeId> order) {
  std::vector<NodeId> leaves;
  std::ranges::copy_if(order, std::back_inserter(leaves),
                       [&](NodeId id) { return g[id].is_leaf(); });
  return leaves;
}

/// `updated` is what stands behind the variables that the graph's further outputs are the new
/// values of.
Results results_of(const Graph& g, std::span<const NodeId> leaves, const PlanOptions& options,
                   const std::vector<const void*>& updated) {
  std::map<const void*, NodeId> leaf_of{{nullptr, ir::no_node}};
  for (NodeId id : leaves) leaf_of.emplace(g[id].params.leaf(), id);
  const auto first_new_value = g.outputs().begin() + static_cast<std::ptrdiff_t>(options.outputs);
  Results results{.outputs = {g.outputs().begin(), first_new_value},
                  .keeps_variables = options.keeps_variables};
  for (std::size_t i = 0; i < updated.size(); ++i) {
    const auto leaf = leaf_of.find(updated[i]);
    results.updates.push_back({first_new_value[static_cast<std::ptrdiff_t>(i)],
                               leaf == leaf_of.end() ? ir::no_node : leaf->second});
  }
  return results;
}

/// A group's kernel before anything is placed: each parameter is one node's.
struct GroupKernel {
  Lowered lowered;
  std::vector<NodeId> stored; ///< the members that somebody else needs
};

GroupKernel lower_group(const Graph& g, const Group& group, const std::set<NodeId>& needed,
                        const Padding& padding, const PlanOptions& options) {
  std::set<NodeId> stored;
  for (const Member& m : group.members)
    if (needed.contains(m.id)) stored.insert(m.id);
  GroupKernel k{lower(g, group, stored, padding, options.splits_reductions),
                {stored.begin(), stored.end()}};
  if (options.is_checked) check_kernel(k.lowered.kernel);
  return k;
}

/// The stored node behind views and aliases.
NodeId base_of(const Graph& g, NodeId id) {
  while (is_view(g, id) || is_alias(g, id)) id = g[id].inputs[0];
  return id;
}

bool reads(const Graph& g, const Group& group, NodeId storage) {
  return std::ranges::any_of(group.members, [&](const Member& m) {
    return std::ranges::any_of(elementwise_edges(g, m.id), [&](const Edge& e) {
      return storage_of(g, e.view.base) == storage;
    });
  });
}

/// The stored node whose memory a result of a library call may be written to, unless something else
/// keeps it: it is the operand itself, element by element, and no other operand reads it.
std::optional<NodeId> overwritten_by(const Graph& g, NodeId id) {
  const ir::GraphNode& n = g[id];
  const ir::CallResult& result = n.op->call->results.front();
  if (!result.in_place_of) return std::nullopt;
  const NodeId storage = storage_of(g, n.inputs[*result.in_place_of]);
  if (is_view(g, storage)) return std::nullopt;
  for (std::size_t i = 0; i < n.inputs.size(); ++i)
    if (i != *result.in_place_of && base_of(g, n.inputs[i]) == storage) return std::nullopt;
  return storage;
}

/// Places what a kernel stores in none of the buffers of `must_not_alias`.
void add_stores(StepUse& use, const Graph& g, const GroupKernel& kernel,
                const std::set<NodeId>& must_not_alias) {
  const std::vector<NodeId>& params = kernel.lowered.params;
  for (NodeId id : kernel.stored) {
    const NodeId storage = stored_in(g, id);
    const auto out = std::ranges::find(params, storage);
    KROTON_CHECK(out != params.end(), "a kernel does not store {}", g[id].op->name);
    StoredNode stored{storage};
    if (storage != id) {
      if (std::ranges::find(use.stores, storage, &StoredNode::id) == use.stores.end())
        use.stores.push_back(std::move(stored));
      continue;
    }
    for (int in : overwritable_by(kernel.lowered.kernel, static_cast<int>(out - params.begin())))
      if (const NodeId old = params[static_cast<std::size_t>(in)]; !must_not_alias.contains(old))
        stored.may_overwrite.push_back(old);
    use.stores.push_back(std::move(stored));
  }
}

/// Where the epilogue of a product stores nothing: other elements of the product are still being
/// computed then.
std::set<NodeId> held_by(const Graph& g, NodeId product) {
  std::set<NodeId> must_not_alias;
  for (NodeId i : g[product].inputs)
    must_not_alias.insert(storage_of(g, resolve_view(g, i, g[i].type.rank()).base));
  if (g[product].op == &ops::gemm) must_not_alias.insert(product);
  return must_not_alias;
}

/// `group` and `kernel` are null where the step has none.
StepUse use_of(const Graph& g, const Item& item, const Group* group, const GroupKernel* kernel) {
  StepUse use{.reads = {item.needs.begin(), item.needs.end()}, .can_fail = item.is_fallible};
  if (item.node != ir::no_node) {
    StoredNode result{item.node};
    const std::optional<NodeId> old = overwritten_by(g, item.node);
    if (old && !(group && reads(g, *group, *old))) result.may_overwrite.push_back(*old);
    use.stores.push_back(std::move(result));
  }
  if (kernel)
    add_stores(use, g, *kernel,
               item.node == ir::no_node ? std::set<NodeId>{} : held_by(g, item.node));
  return use;
}

/// Makes the steps of a plan, one after the other, from what is lowered and placed.
class StepMaker {
public:
  /// `needed` are the nodes that some other step or the caller reads.
  StepMaker(Plan& plan, std::vector<Group>& groups, std::set<NodeId> needed, const Padding& padding,
            const Placement& placement, const PlanOptions& options)
      : plan_(plan), g_(plan.graph), groups_(groups), needed_(std::move(needed)), padding_(padding),
        placement_(placement), options_(options) {}

  /// `kernel` is that of the item's group, if it has one.
  Step make(const Item& item, GroupKernel* kernel) {
    Step step;
    step.aliases = placement_.aliases[plan_.steps.size()];
    if (kernel && item.node != ir::no_node)
      add_product_with_epilogue(step, item, *kernel);
    else if (kernel)
      step.what = add_kernel(step, item, *kernel);
    else if (g_[item.node].op->is(ir::Kind::contraction))
      step.what = add_contraction(step, item.node);
    else
      step.what = add_call(step, item.node);
    for (NodeId id : step.computes)
      step.filled.push_back(placement_.buffer_of.at(stored_in(g_, id)));
    step.is_fallible = can_fail(step);
    return step;
  }

private:
  /// A gather whose positions are all known to be in range checks none.
  bool can_fail(const Step& step) const {
    const auto checks = [&](const KernelStep& k) {
      return plan_.kernels[static_cast<std::size_t>(k.kernel)].is_fallible();
    };
    return support::match(
        step.what, checks,
        [&](const ContractionStep& c) { return c.epilogue && checks(c.epilogue->kernel); },
        [](const LibraryStep& l) { return l.op->has(ir::Property::fallible); });
  }

  KernelStep add_kernel(Step& step, const Item& item, GroupKernel& kernel) {
    Lowered lowered = with_aliases(std::move(kernel.lowered), step.aliases);
    step.computes.insert(step.computes.end(), kernel.stored.begin(), kernel.stored.end());
    KernelStep k;
    k.kernel = static_cast<int>(plan_.kernels.size());
    for (NodeId id : lowered.params) k.buffers.push_back(placement_.buffer_of.at(id));
    for (std::size_t i = 0; i < k.buffers.size(); ++i) {
      const Param& p = lowered.kernel.params[i];
      if (p.is_read) step.reads.push_back(k.buffers[i]);
      if (p.is_written) step.writes.push_back(k.buffers[i]);
    }
    plan_.kernels.push_back(std::move(lowered.kernel));
    plan_.groups.push_back(std::move(groups_[static_cast<std::size_t>(item.group)]));
    return k;
  }

  ContractionStep add_contraction(Step& step, NodeId id) {
    const ir::GraphNode& n = g_[id];
    const ir::LibraryCall& call = *n.op->call;
    const std::size_t first = n.op == &ops::gemm ? 1 : 0;
    ContractionStep c;
    c.dtype = n.type.dtype;
    c.shape = n.type.shape;
    c.k = g_[n.inputs[first]].type.shape.back();
    c.a = read_operand(step, n.inputs[first], call.layout_of(first));
    c.b = read_operand(step, n.inputs[first + 1], call.layout_of(first + 1));
    if (first == 1) {
      c.alpha = read_operand(step, n.inputs[3], call.layout_of(3));
      c.c = read_operand(step, n.inputs[0], call.layout_of(0)).buffer;
    }
    c.out = write(step, id);
    c.out_row = padding_.strides(id)[c.shape.size() - 2];
    return c;
  }

  void add_product_with_epilogue(Step& step, const Item& item, GroupKernel& kernel) {
    ContractionStep c = add_contraction(step, item.node);
    Epilogue e{.keeps_product = needed_.contains(item.node)};
    if (!e.keeps_product) step.computes.clear();
    const std::vector<int> read_by_product = std::exchange(step.reads, {});
    step.writes.clear(); // the product's memory may be what the epilogue writes
    e.kernel = add_kernel(step, item, kernel);
    e.product =
        static_cast<int>(std::ranges::find(e.kernel.buffers, c.out) - e.kernel.buffers.begin());
    std::erase(step.reads, c.out);
    if (std::ranges::find(step.writes, c.out) == step.writes.end()) step.writes.push_back(c.out);
    step.reads.insert(step.reads.begin(), read_by_product.begin(), read_by_product.end());
    c.epilogue = std::move(e);
    step.what = std::move(c);
  }

  LibraryStep add_call(Step& step, NodeId id) {
    const ir::GraphNode& n = g_[id];
    const ir::LibraryCall& call = *n.op->call;
    LibraryStep s{.op = n.op, .is_ordered = options_.deterministic};
    for (std::size_t i = 0; i < n.inputs.size(); ++i)
      s.operands.push_back(
          {read_operand(step, n.inputs[i], call.layout_of(i)), g_[n.inputs[i]].type.shape});
    const int out = write(step, id);
    s.results.push_back({{out, Dim(0), padding_.strides(id)}, n.type.shape});
    if (call.numbers) s.numbers = call.numbers(g_, id);
    return s;
  }

  int read(Step& step, NodeId storage) {
    step.reads.push_back(placement_.buffer_of.at(storage));
    return step.reads.back();
  }

  Operand read_operand(Step& step, NodeId id, ir::Layout layout) {
    OperandView view = layout == ir::Layout::strided ? operand_of(g_, id, padding_)
                                                     : OperandView{storage_of(g_, id), {}};
    if (layout != ir::Layout::strided) view.operand.strides = dense_strides(g_[id].type.shape);
    view.operand.buffer = read(step, view.storage);
    return std::move(view.operand);
  }

  int write(Step& step, NodeId id) {
    step.writes.push_back(placement_.buffer_of.at(id));
    step.computes = {id};
    return step.writes.back();
  }

  Plan& plan_;
  const Graph& g_;
  std::vector<Group>& groups_;
  const std::set<NodeId> needed_;
  const Padding& padding_;
  const Placement& placement_;
  const PlanOptions& options_;
};

} // namespace

Plan make_plan(ir::Graph graph, const PlanOptions& options) {
  prepare(graph);
  const std::vector<const void*> updated = leaves_of(graph, options.updated);
  graph.compact();
  Plan plan;
  plan.graph = std::move(graph);
  const Graph& g = plan.graph;
  const auto order = g.order();

  Fusion fusion =
      fuse(g, order, options.one_kernel_each, !options.splits_reductions, options.walks_pieces);
  plan.cuts = std::move(fusion.cuts);
  const auto first_new_value = g.outputs().begin() + static_cast<std::ptrdiff_t>(options.outputs);
  const std::vector<NodeId> product_of =
      options.has_epilogues ? find_epilogues(g, order, fusion.groups)
                            : std::vector<NodeId>(fusion.groups.size(), ir::no_node);
  std::vector<Item> items = ordered(
      make_items(g, order, fusion.groups, product_of, {first_new_value, g.outputs().end()}));
  std::set<NodeId> needed(g.outputs().begin(), g.outputs().end());
  for (const Item& item : items)
    for (NodeId id : item.needs)
      if (id != item.node) needed.insert(id);
  // When what is stored in a join has run, it is there.
  std::erase_if(
      items, [&](const Item& item) { return item.node != ir::no_node && is_join(g, item.node); });

  const Padding padding = choose_padding(g, fusion.groups);
  std::vector<std::optional<GroupKernel>> kernels;
  std::vector<StepUse> uses;
  for (const Item& item : items) {
    const Group* group = nullptr;
    std::optional<GroupKernel>& kernel = kernels.emplace_back();
    if (item.group >= 0) {
      group = &fusion.groups[static_cast<std::size_t>(item.group)];
      kernel = lower_group(g, *group, needed, padding, options);
    }
    uses.push_back(use_of(g, item, group, kernel ? &*kernel : nullptr));
  }
  const std::vector<NodeId> leaves = leaves_in(g, order);
  Placement placement = place(g, padding, leaves, results_of(g, leaves, options, updated), uses);
  plan.buffers = std::move(placement.buffers);
  plan.slots = std::move(placement.slots);
  plan.steps.reserve(items.size());
  plan.kernels.reserve(fusion.groups.size());
  plan.groups.reserve(fusion.groups.size());
  StepMaker maker(plan, fusion.groups, std::move(needed), padding, placement, options);
  for (std::size_t s = 0; s < items.size(); ++s)
    plan.steps.push_back(maker.make(items[s], kernels[s] ? &*kernels[s] : nullptr));
  share_constants(plan.kernels);
  if (options.is_checked) check_plan(plan, options);
  return plan;
}

const KernelStep* Step::kernel() const {
  return support::match(
      what, [](const KernelStep& k) { return &k; },
      [](const ContractionStep& c) -> const KernelStep* {
        return c.epilogue ? &c.epilogue->kernel : nullptr;
      },
      [](const LibraryStep&) -> const KernelStep* { return nullptr; });
}

namespace {

/// ", c0 = 1.5, c1 = 30": the constants that a kernel is passed.
std::string describe_constants(const Kernel& kernel) {
  std::string text;
  int number = 0;
  for (const Value& v : kernel.values) {
    if (v.kind != ValueKind::constant) continue;
    text += fmt::format(", c{} = ", number++);
    text += is_float(v.dtype) ? fmt::format("{}", ops::float_value(v.dtype, v.bits))
            : is_unsigned_int(v.dtype)
                ? fmt::format("{}", v.bits)
                : fmt::format("{}", static_cast<std::int64_t>(ops::int_value(v.dtype, v.bits)));
  }
  return text;
}

/// "kernel 3 (elementwise, 4 nodes, c0 = 1.5)".
std::string describe(const Plan& plan, const KernelStep& k) {
  const auto number = static_cast<std::size_t>(k.kernel);
  const Kernel& kernel = plan.kernels[number];
  return fmt::format("kernel {} ({}, {} nodes{})", k.kernel, kernel.title,
                     plan.groups[number].members.size(), describe_constants(kernel));
}

std::string describe(const Plan& plan, const ContractionStep& c) {
  std::string text = fmt::format("contraction {}x{}", dims::to_string(c.shape), c.k.to_string());
  if (c.c) text += *c.c == c.out ? ", accumulating in place" : ", accumulating";
  if (!c.epilogue) return text;
  const KernelStep& k = c.epilogue->kernel;
  text += ", then " + describe(plan, k);
  const auto known = known_epilogue(plan.kernels[static_cast<std::size_t>(k.kernel)],
                                    c.epilogue->product, c.shape.back());
  return known ? text + ": " + known->to_string() : text;
}

/// Of a call of step `number` that could write to an operand's own memory and does not: what it
/// copies, and why.
std::string describe_place(const Plan& plan, std::size_t number, const LibraryStep& s) {
  const std::optional<std::size_t> operand = s.op->call->results.front().in_place_of;
  if (!operand) return "";
  const int from = s.operands[*operand].memory.buffer;
  if (from == s.results.front().memory.buffer) return "";
  std::string text = fmt::format(", on a copy of b{}", from);
  for (std::size_t i = 0; i < s.operands.size(); ++i)
    if (i != *operand && s.operands[i].memory.buffer == from)
      return text + ", of which the call reads other elements too";
  for (std::size_t later = number + 1; later < plan.steps.size(); ++later) {
    const Step& step = plan.steps[later];
    if (std::ranges::find(step.reads, from) != step.reads.end())
      return text + fmt::format(", which step {} reads", later);
    if (step.is_fallible) return text + fmt::format(", since step {} may fail", later);
  }
  if (plan.buffers[static_cast<std::size_t>(from)].kind == BufferKind::leaf)
    text += ", which keeps its value";
  return text;
}

std::string describe(const Plan& plan, std::size_t number) {
  return support::match(
      plan.steps[number].what, [&](const KernelStep& k) { return describe(plan, k); },
      [&](const ContractionStep& c) { return describe(plan, c); },
      [&](const LibraryStep& l) {
        return fmt::format("call of {}{}{}", l.op->name, l.is_ordered ? "" : ", in any order",
                           describe_place(plan, number, l));
      });
}

/// ", in place [b3]": the buffers in which a result takes the place of an operand.
std::string describe_aliases(const Step& s) {
  std::vector<int> in_place;
  for (std::size_t i = 0; i < s.computes.size(); ++i)
    if (std::ranges::find(s.aliases, s.computes[i], &Alias::value) != s.aliases.end())
      in_place.push_back(s.filled[i]);
  return in_place.empty() ? "" : fmt::format(", in place [b{}]", fmt::join(in_place, ", b"));
}

} // namespace

std::string Plan::to_string() const {
  static constexpr const char* kinds[] = {"leaf", "output", "update", "temp"};
  std::string text = "buffers\n";
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const Buffer& b = buffers[i];
    const auto& node = graph[b.node];
    text += fmt::format("  b{} {}{} {}{}\n", i, kinds[static_cast<int>(b.kind)],
                        b.kind == BufferKind::leaf ? fmt::format(" {} {}", node.op->name, node.name)
                        : b.kind == BufferKind::temp ? fmt::format(" slot {}", b.index)
                                                     : fmt::format(" {}", b.index),
                        kroton::to_string(b.dtype), dims::to_string(b.shape));
  }
  text += "steps\n";
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& s = steps[i];
    text += fmt::format("  {}: {} reads [b{}] writes [b{}]{}{}\n", i, describe(*this, i),
                        fmt::join(s.reads, ", b"), fmt::join(s.writes, ", b"), describe_aliases(s),
                        s.is_fallible ? ", may fail" : "");
  }
  if (!slots.empty()) {
    text += "arena\n";
    for (std::size_t i = 0; i < slots.size(); ++i)
      text += fmt::format("  slot {}: {} bytes\n", i, slots[i].to_string());
  }
  return text;
}

} // namespace kroton::plan
