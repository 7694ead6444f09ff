#include <algorithm>
#include <set>
#include <utility>

#include "lib/ir/check.hpp"
#include "lib/plan/alias.hpp"
#include "lib/plan/check.hpp"
#include "lib/support/match.hpp"

namespace kroton::plan {
namespace dims = ir::dims;
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

template <class... Args>
void require(bool holds, fmt::format_string<Args...> format, Args&&... args) {
  if (!holds)
    support::fail<InternalError>("check_plan", {}, "{}",
                                 fmt::format(format, std::forward<Args>(args)...));
}

std::string label(const Graph& g, NodeId id) {
  return fmt::format("{} (node {}, {})", g[id].op->name, id, g[id].type.to_string());
}

AxisList inner_axes(const Group& group) {
  AxisList inner;
  for (int a = group.rows; a < static_cast<int>(group.axes.size()); ++a) inner.push_back(a);
  return inner;
}

/// The axes of `all` from `first` to before `end`.
AxisList between(const AxisList& all, int first, int end) {
  AxisList some;
  std::ranges::copy_if(all, std::back_inserter(some), [&](int a) { return a >= first && a < end; });
  return some;
}

class PlanCheck {
public:
  PlanCheck(const Plan& plan, const PlanOptions& options)
      : plan_(plan), g_(plan.graph), options_(options), content_(plan.buffers.size(), ir::no_node),
        in_slot_(plan.slots.size(), none), results_(g_.outputs().size()) {}

  void run() {
    ir::check_graph(g_, "planning");
    require(plan_.groups.size() == plan_.kernels.size(), "there are {} groups and {} kernels",
            plan_.groups.size(), plan_.kernels.size());
    for (const Group& group : plan_.groups) check_group(g_, group);
    for (const Kernel& kernel : plan_.kernels) check_kernel(kernel);
    for (std::size_t b = 0; b < plan_.buffers.size(); ++b) check_buffer(static_cast<int>(b));
    for (std::size_t s = 0; s < plan_.steps.size(); ++s) check_step(static_cast<int>(s));
    require(is_run_.size() == plan_.kernels.size(), "{} of {} kernels are run", is_run_.size(),
            plan_.kernels.size());
    for (std::size_t i = 0; i < g_.outputs().size(); ++i) check_result(i);
  }

private:
  static constexpr int none = -1;

  const Buffer& buffer(int b) const { return plan_.buffers[at(b)]; }
  std::size_t updates() const { return g_.outputs().size() - options_.outputs; }

  void check_buffer(int number) {
    const Buffer& b = buffer(number);
    const ir::Type& t = g_[b.node].type;
    require(b.dtype == t.dtype && dims::same(b.shape, t.shape), "buffer {} is {}{} and holds {}",
            number, kroton::to_string(b.dtype), dims::to_string(b.shape), label(g_, b.node));
    require(b.strides.size() == b.shape.size(), "buffer {} of {} has {} strides", number,
            label(g_, b.node), b.strides.size());
    switch (b.kind) {
    case BufferKind::leaf:
      require(g_[b.node].is_leaf(), "buffer {} is a leaf's and holds {}", number,
              label(g_, b.node));
      require(b.index < static_cast<int>(updates()), "buffer {} of {} takes update {} of {}",
              number, label(g_, b.node), b.index, updates());
      content_[at(number)] = b.node;
      if (b.index >= 0) results_[options_.outputs + at(b.index)].push_back(number);
      break;
    case BufferKind::output:
      require(b.index >= 0 && at(b.index) < options_.outputs, "buffer {} is output {} of {}",
              number, b.index, options_.outputs);
      results_[at(b.index)].push_back(number);
      break;
    case BufferKind::update:
      require(b.index >= 0 && at(b.index) < updates(), "buffer {} is update {} of {}", number,
              b.index, updates());
      results_[options_.outputs + at(b.index)].push_back(number);
      break;
    case BufferKind::temp: {
      require(b.index >= 0 && at(b.index) < plan_.slots.size(), "buffer {} lies in slot {} of {}",
              number, b.index, plan_.slots.size());
      const Dim have = plan_.slots[at(b.index)], need = bytes_of(b);
      require(dims::same(have, need) ||
                  (have.is_static() && need.is_static() && need.value() <= have.value()),
              "buffer {} of {} takes {} bytes, its slot {} has {}", number, label(g_, b.node),
              need.to_string(), b.index, have.to_string());
      break;
    }
    }
  }

  static Dim bytes_of(const Buffer& b) {
    const Dim item(static_cast<std::int64_t>(item_size(b.dtype)));
    return b.shape.empty() ? item : dims::mul(dims::mul(b.strides.front(), b.shape.front()), item);
  }

  /// "step 3 (row reduction)".
  std::string name_of(int step) const {
    const KernelStep* k = plan_.steps[at(step)].kernel();
    const bool is_named = k && at(k->kernel) < plan_.kernels.size();
    return fmt::format("step {} ({})", step,
                       is_named ? plan_.kernels[at(k->kernel)].title : "no kernel");
  }

  void check_step(int number) {
    const Step& s = plan_.steps[at(number)];
    const std::string name = name_of(number);
    for (const std::vector<int>* all : {&s.reads, &s.writes, &s.filled})
      for (int b : *all)
        require(b >= 0 && at(b) < plan_.buffers.size(), "{} has the buffer {} of {}", name, b,
                plan_.buffers.size());
    if (const KernelStep* k = s.kernel()) check_kernel_step(s, *k, name);
    check_needs(s, name);
    check_computed(s, name);
    check_aliases(s, name);
    check_overlap(s, name);
    check_failing(s, name);
    write(s, name);
  }

  void check_kernel_step(const Step& s, const KernelStep& k, const std::string& name) {
    require(k.kernel >= 0 && at(k.kernel) < plan_.kernels.size(), "{} runs the kernel {} of {}",
            name, k.kernel, plan_.kernels.size());
    require(is_run_.insert(k.kernel).second, "{} runs the kernel {}, which another step runs", name,
            k.kernel);
    const Kernel& kernel = plan_.kernels[at(k.kernel)];
    require(k.buffers.size() == kernel.params.size(), "{} hands {} buffers to {} parameters", name,
            k.buffers.size(), kernel.params.size());
    require(!kernel.is_fallible() || s.is_fallible, "{} may fail, and says that it cannot", name);
    for (std::size_t p = 0; p < k.buffers.size(); ++p) {
      const Param& param = kernel.params[p];
      const int b = k.buffers[p];
      require(b >= 0 && at(b) < plan_.buffers.size() && buffer(b).dtype == param.dtype,
              "{} hands buffer {} to parameter {}, of {}", name, b, p,
              kroton::to_string(param.dtype));
      for (std::size_t q = 0; q < p; ++q)
        require(k.buffers[q] != b, "{} hands buffer {} to two parameters", name, b);
      const bool is_product = product_of(s) == b;
      require(!param.is_read || is_product || contains(s.reads, b),
              "{} reads buffer {} and does not say so", name, b);
      require(!param.is_written || contains(s.writes, b), "{} writes buffer {} and does not say so",
              name, b);
    }
  }

  static bool contains(const std::vector<int>& all, int b) {
    return std::ranges::find(all, b) != all.end();
  }
  /// The buffer of the product that a kernel is the epilogue of; -1 if it is none.
  static int product_of(const Step& s) {
    return support::match(
        s.what, [](const KernelStep&) { return none; },
        [](const ContractionStep& c) { return c.epilogue ? c.out : none; },
        [](const LibraryStep&) { return none; });
  }

  /// What a step reads must be where it reads it.
  void check_needs(const Step& s, const std::string& name) const {
    for (int b : s.reads)
      require(content_[at(b)] != ir::no_node || contains(s.writes, b),
              "{} reads buffer {} of {}, which holds nothing yet, or no more", name, b,
              label(g_, buffer(b).node));
    if (const KernelStep* k = s.kernel()) {
      const Group& group = plan_.groups[at(k->kernel)];
      for (const Value& v : plan_.kernels[at(k->kernel)].values) {
        if (v.kind != ValueKind::load || v.access->param < 0 || v.node == ir::no_node) continue;
        const int b = k->buffers[at(v.access->param)];
        if (b != product_of(s) && !stores(s, v.node, b))
          check_content(b, read_by(group, v.node), name);
      }
    }
    for (NodeId id : s.computes) {
      if (const KernelStep* k = s.kernel(); k && plan_.groups[at(k->kernel)].find(id)) continue;
      for (NodeId input : g_[id].inputs) {
        const NodeId storage = stored_behind(input);
        require(std::ranges::any_of(s.reads, [&](int b) { return content_[at(b)] == storage; }),
                "{} computes {} and does not read {}", name, label(g_, id), label(g_, storage));
      }
    }
  }

  /// Whether a step itself computes the node into the buffer.
  static bool stores(const Step& s, NodeId id, int b) {
    for (std::size_t i = 0; i < s.computes.size() && i < s.filled.size(); ++i)
      if (s.computes[i] == id && s.filled[i] == b) return true;
    return false;
  }
  /// The stored node that a kernel's load of `id` reads; no_node if the kernel itself computes it.
  NodeId read_by(const Group& group, NodeId id) const {
    if (!group.find(id)) return storage_of(g_, id);
    return g_[id].op->is(ir::Kind::gather) ? stored_behind(g_[id].inputs[0]) : ir::no_node;
  }
  NodeId stored_behind(NodeId id) const {
    while (is_view(g_, id) || is_alias(g_, id)) id = g_[id].inputs[0];
    return id;
  }
  void check_content(int b, NodeId wanted, const std::string& name) const {
    if (wanted == ir::no_node || content_[at(b)] == wanted) return;
    require(false, "{} reads {} in buffer {}, which holds {}", name, label(g_, wanted), b,
            content_[at(b)] == ir::no_node ? "nothing" : label(g_, content_[at(b)]));
  }

  void check_computed(const Step& s, const std::string& name) {
    require(s.computes.size() == s.filled.size(), "{} computes {} nodes into {} buffers", name,
            s.computes.size(), s.filled.size());
    for (NodeId id : s.computes)
      require(is_computed_.insert(id).second, "{} computes {}, which another step computes", name,
              label(g_, id));
    for (std::size_t i = 0; i < s.computes.size(); ++i) {
      const NodeId whole = stored_in(g_, s.computes[i]);
      require(whole == s.computes[i] || buffer(s.filled[i]).node == whole,
              "{} computes a part of {} into buffer {}, which holds {}", name, label(g_, whole),
              s.filled[i], label(g_, buffer(s.filled[i]).node));
    }
  }

  /// What a step writes over is what its aliases say, and what its kernel or library call can write
  /// over.
  void check_aliases(const Step& s, const std::string& name) const {
    for (const Alias& a : s.aliases) {
      const int b = buffer_of(s, a.value);
      require(b != none, "{} says that it stores {}, which it does not compute", name,
              label(g_, a.value));
      const bool is_own_product = product_of(s) == b && g_[a.over].op->is(ir::Kind::contraction);
      require(content_[at(b)] == a.over || is_own_product,
              "{} says that it stores {} over {}, which does not lie there", name,
              label(g_, a.value), label(g_, a.over));
      require(can_overwrite(s, a, b), "{} stores {} over {}, which it still reads then", name,
              label(g_, a.value), label(g_, a.over));
    }
    for (int b : s.writes) {
      const NodeId old = content_[at(b)];
      require(old == ir::no_node ||
                  std::ranges::find(s.aliases, old, &Alias::over) != s.aliases.end(),
              "{} writes over {} and does not say so", name, label(g_, std::max(old, 0)));
    }
  }
  /// Where a step puts what it computes: for others, or for its epilogue alone.
  static int buffer_of(const Step& s, NodeId id) {
    for (std::size_t i = 0; i < s.computes.size() && i < s.filled.size(); ++i)
      if (s.computes[i] == id) return s.filled[i];
    return product_of(s);
  }
  bool can_overwrite(const Step& s, const Alias& a, int b) const {
    const KernelStep* k = s.kernel();
    if (k && plan_.groups[at(k->kernel)].find(a.value)) {
      const auto param = static_cast<int>(std::ranges::find(k->buffers, b) - k->buffers.begin());
      return may_overwrite(plan_.kernels[at(k->kernel)], param, [&](const Value& v) {
        return v.access->param == param && !stores(s, v.node, b);
      });
    }
    const ir::GraphNode& n = g_[a.value];
    const auto operand = n.op->call ? n.op->call->results.front().in_place_of : std::nullopt;
    return operand && storage_of(g_, n.inputs[*operand]) == a.over;
  }

  /// What a step reads is in no slot that it writes, but for what it overwrites element by
  /// element.
  void check_overlap(const Step& s, const std::string& name) const {
    for (int w : s.writes)
      for (int r : s.reads)
        require(w == r || buffer(w).kind != BufferKind::temp ||
                    buffer(r).kind != BufferKind::temp || buffer(w).index != buffer(r).index,
                "{} writes buffer {} over buffer {}, which it reads", name, w, r);
  }

  /// Once a shared variable's memory is written over, nothing may fail.
  void check_failing(const Step& s, const std::string& name) {
    const bool overwrites =
        std::ranges::any_of(s.writes, [&](int b) { return buffer(b).kind == BufferKind::leaf; });
    has_overwritten_ = has_overwritten_ || overwrites;
    require(!has_overwritten_ || !s.is_fallible,
            "{} may fail when a shared variable has been written over", name);
  }

  void write(const Step& s, const std::string& name) {
    for (int b : s.writes) {
      if (buffer(b).kind == BufferKind::temp) {
        const int other = std::exchange(in_slot_[at(buffer(b).index)], b);
        if (other != none) content_[at(other)] = ir::no_node;
      }
      content_[at(b)] = ir::no_node;
    }
    for (std::size_t i = 0; i < s.computes.size(); ++i) {
      const NodeId id = s.computes[i];
      const int b = s.filled[i];
      require(contains(s.writes, b), "{} computes {} into buffer {}, which it does not write", name,
              label(g_, id), b);
      if (const NodeId whole = stored_in(g_, id); whole != id) {
        if (std::ranges::all_of(g_[whole].inputs,
                                [&](NodeId part) { return is_computed_.contains(part); }))
          content_[at(b)] = whole;
        continue;
      }
      require(content_[at(b)] == ir::no_node, "{} computes {} and {} into buffer {}", name,
              label(g_, id), label(g_, std::max(content_[at(b)], 0)), b);
      const ir::Type& t = g_[id].type;
      require(buffer(b).dtype == t.dtype &&
                  dims::same(dims::product(buffer(b).shape), dims::product(t.shape)),
              "{} computes {} into buffer {}, which is {}{}", name, label(g_, id), b,
              kroton::to_string(buffer(b).dtype), dims::to_string(buffer(b).shape));
      content_[at(b)] = id;
    }
  }

  /// At the end each output and each new value is where the driver looks for it.
  void check_result(std::size_t i) const {
    const NodeId id = g_.outputs()[i];
    const bool is_output = i < options_.outputs;
    const auto number = static_cast<int>(is_output ? i : i - options_.outputs);
    require(std::ranges::any_of(results_[i], [&](int b) { return content_[at(b)] == id; }),
            "{} {} is {}, which lies in no buffer of its own at the end",
            is_output ? "output" : "update", number, label(g_, id));
  }

  const Plan& plan_;
  const Graph& g_;
  const PlanOptions& options_;
  std::vector<NodeId> content_; ///< of each buffer: the node that is in it now
  std::vector<int> in_slot_;    ///< of each slot: the buffer that was written last, or `none`
  std::vector<std::vector<int>> results_; ///< the buffers that each output may be in at the end
  std::set<NodeId> is_computed_;
  std::set<int> is_run_;
  bool has_overwritten_ = false;
};

} // namespace

void check_group(const Graph& g, const Group& group) {
  const int rows = group.rows, rank = static_cast<int>(group.axes.size());
  const AxisList inner = inner_axes(group);
  const auto position = [&](NodeId id) { return group.find(id) - group.members.data(); };
  for (const Member& m : group.members) {
    const std::string name = label(g, m.id);
    const AxisList own_rows = between(m.domain, 0, rows), own_inner = between(m.domain, rows, rank);
    const bool has_all_rows = static_cast<int>(own_rows.size()) == rows;
    require((m.is_reduction || !m.unrolled_reduced.empty()) == g[m.id].op->is_reduction(),
            "a group takes {} for {}", name, m.is_reduction ? "a reduction" : "none");
    if (m.site == Site::main) {
      require(has_all_rows, "a group computes {} for each row, without all row axes", name);
      require(own_inner.empty() || own_inner == inner,
              "a group computes {} along some of the inner axes", name);
    }
    const AxisList reduced_rows = between(m.reduced, 0, rows);
    if (m.is_reduction)
      require(reduced_rows.empty() || static_cast<int>(reduced_rows.size()) == rows,
              "a group reduces some of the row axes in {}", name);
    int level = 0;
    for (const Edge& e : elementwise_edges(g, m.id)) {
      const Member* from = group.find(e.view.base);
      if (!from) continue;
      require(position(from->id) < position(m.id), "a group computes {} before {}, which it reads",
              name, label(g, from->id));
      require(!from->is_outer || m.site == Site::finish,
              "a group reads {} in {}, before all rows are done", label(g, from->id), name);
      const bool is_inner = from->is_reduction && !from->is_outer;
      require(!is_inner || between(from->domain, rows, rank) == between(from->reduced, rows, rank),
              "a group reads {}, which keeps inner axes, in {}", label(g, from->id), name);
      level = std::max(level, from->level + (is_inner ? 1 : 0));
    }
    require(m.site != Site::main || m.level == level,
            "a group computes {} in stage {} instead of {}", name, m.level, level);
  }
}

void check_plan(const Plan& plan, const PlanOptions& options) { PlanCheck(plan, options).run(); }

} // namespace kroton::plan
