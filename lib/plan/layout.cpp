/// lay_out: from a set of nodes to the axes, rows, stages and sites of one kernel.
#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "lib/ops/ops.hpp"
#include "lib/plan/group.hpp"

namespace kroton::plan {
namespace dims = ir::dims;
using ir::Trait;

const Member* Group::find(NodeId id) const {
  const auto it = std::ranges::find(members, id, &Member::id);
  return it == members.end() ? nullptr : &*it;
}

bool is_fusable(const Graph& graph, NodeId id) {
  const ir::Op& op = *graph[id].op;
  return op.has(Trait::elementwise) || op.has(Trait::reduction) || op.has(Trait::gather) ||
         &op == &ops::uniform;
}

Edges elementwise_edges(const Graph& graph, NodeId id) {
  const ir::GraphNode& n = graph[id];
  Edges edges;
  if (n.op->has(Trait::elementwise)) {
    for (std::size_t i = 0; i < n.inputs.size(); ++i)
      edges.push_back({i, resolve_view(graph, n.inputs[i], n.type.rank())});
  } else if (n.op->has(Trait::reduction)) {
    edges.push_back({0, resolve_view(graph, n.inputs[0], graph[n.inputs[0]].type.rank())});
  } else if (n.op->has(Trait::gather)) {
    for (std::size_t i = 1; i < n.inputs.size(); ++i)
      edges.push_back({i, resolve_view(graph, n.inputs[i], graph[n.inputs[i]].type.rank())});
  }
  return edges;
}

namespace {

using Set = AxisList; // sorted

bool contains(const Set& s, int v) { return std::ranges::binary_search(s, v); }
bool includes(const Set& big, const Set& small) { return std::ranges::includes(big, small); }
Set minus(const Set& a, const Set& b) {
  Set out;
  std::ranges::set_difference(a, b, std::back_inserter(out));
  return out;
}
bool disjoint(const Set& a, const Set& b) {
  return std::ranges::none_of(a, [&](int v) { return contains(b, v); });
}

class Layout {
public:
  Layout(const Graph& graph, const std::vector<NodeId>& ids, EdgeCache& edges,
         std::string_view* why)
      : graph_(graph), edges_(edges), why_(why) {
    group_.members.reserve(ids.size());
    for (NodeId id : ids) {
      const ir::GraphNode& n = graph[id];
      Member m;
      m.id = id;
      m.is_reduction = n.op->has(Trait::reduction);
      const auto& shape = over(m).shape;
      first_slot_.push_back(static_cast<int>(parent_.size()));
      for (std::size_t i = 0; i < shape.size(); ++i) {
        parent_.push_back(static_cast<int>(parent_.size()));
        size_.push_back(shape[i]);
      }
      index_.emplace(id, group_.members.size());
      group_.members.push_back(std::move(m));
    }
  }

  std::optional<Group> run() {
    if (!unify() || !number_axes()) return std::nullopt;
    const int rank = static_cast<int>(group_.axes.size());
    if (rank == 0) return place(0) ? std::optional(std::move(group_)) : std::nullopt;
    for (int rows = rank; rows >= 1; --rows)
      if (place(rows)) return std::move(group_);
    return std::nullopt;
  }

private:
  /// What a member is computed over: a reduction's input, else its own type.
  const ir::Type& over(const Member& m) const {
    const ir::GraphNode& n = graph_[m.id];
    return m.is_reduction ? graph_[n.inputs[0]].type : n.type;
  }

  /// The slot (computed-over axis) of each axis of a member's result.
  AxisList result_slots(std::size_t k) const {
    const Member& m = group_.members[k];
    AxisList slots;
    const auto& reduced = graph_[m.id].attrs.ints;
    for (int i = 0; i < over(m).rank(); ++i)
      if (!m.is_reduction || std::ranges::find(reduced, i) == reduced.end())
        slots.push_back(first_slot_[k] + i);
    return slots;
  }

  int root(int slot) {
    while (parent_[static_cast<std::size_t>(slot)] != slot)
      slot = parent_[static_cast<std::size_t>(slot)] =
          parent_[static_cast<std::size_t>(parent_[static_cast<std::size_t>(slot)])];
    return slot;
  }
  bool unite(int a, int b) {
    a = root(a);
    b = root(b);
    if (a == b) return true;
    if (!dims::same(size_[static_cast<std::size_t>(a)], size_[static_cast<std::size_t>(b)]))
      return refuse("sizes differ");
    parent_[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
    return true;
  }
  /// Whether two slots can be one axis: equal sizes, and no member would walk one axis twice.
  bool can_unite(int a, int b) {
    a = root(a);
    b = root(b);
    if (a == b) return true;
    if (!dims::same(size_[static_cast<std::size_t>(a)], size_[static_cast<std::size_t>(b)]))
      return false;
    for (std::size_t k = 0; k < group_.members.size(); ++k) {
      bool has_a = false, has_b = false;
      for (int i = 0; i < over(group_.members[k]).rank(); ++i) {
        has_a = has_a || root(first_slot_[k] + i) == a;
        has_b = has_b || root(first_slot_[k] + i) == b;
      }
      if (has_a && has_b) return false;
    }
    return true;
  }
  bool refuse(std::string_view reason) {
    if (why_) *why_ = reason;
    return false;
  }

  /// Makes axes one that edges between members tie together; then ties parts of the group that
  /// only share what they read.
  bool unify() {
    std::vector<std::size_t> part(group_.members.size());
    std::iota(part.begin(), part.end(), std::size_t{0});
    auto part_of = [&](std::size_t k) {
      while (part[k] != k) k = part[k] = part[part[k]];
      return k;
    };
    struct External {
      std::size_t member;
      const View* view;
    };
    std::unordered_map<NodeId, std::vector<External>> external;
    std::vector<NodeId> bases; // in the order of their first reader
    for (std::size_t k = 0; k < group_.members.size(); ++k) {
      const ir::GraphNode& n = graph_[group_.members[k].id];
      if (n.op->has(Trait::gather)) {
        const View source = resolve_view(graph_, n.inputs[0], graph_[n.inputs[0]].type.rank());
        if (index_.contains(storage_of(graph_, source.base)))
          return refuse("it is read at computed positions");
      }
      for (const Edge& e : edges_.of(group_.members[k].id)) {
        const auto producer = index_.find(e.view.base);
        if (producer == index_.end()) {
          if (index_.contains(storage_of(graph_, e.view.base)))
            return refuse("a reshape stands between them");
          auto& reads = external[e.view.base];
          if (reads.empty()) bases.push_back(e.view.base);
          reads.push_back({k, &e.view});
          continue;
        }
        if (!e.view.is_pure()) return refuse("a slice stands between them");
        const auto slots = result_slots(producer->second);
        for (std::size_t a = 0; a < slots.size(); ++a)
          if (e.view.axes[a].axis >= 0 && !unite(slots[a], first_slot_[k] + e.view.axes[a].axis))
            return false;
        part[part_of(k)] = part_of(producer->second);
      }
    }
    // What reads an array at the same place may walk it in the same loop.
    for (NodeId base : bases) {
      const auto& reads = external.at(base);
      for (std::size_t i = 1; i < reads.size(); ++i) {
        const External &a = reads[0], &b = reads[i];
        std::vector<std::pair<int, int>> pairs;
        for (std::size_t x = 0; x < a.view->axes.size(); ++x)
          if (a.view->axes[x].axis >= 0 && b.view->axes[x].axis >= 0)
            pairs.emplace_back(first_slot_[a.member] + a.view->axes[x].axis,
                               first_slot_[b.member] + b.view->axes[x].axis);
        const bool fits =
            std::ranges::all_of(pairs, [&](const auto& p) { return can_unite(p.first, p.second); });
        if (!fits) continue;
        for (const auto& [x, y] : pairs) unite(x, y);
        part[part_of(b.member)] = part_of(a.member);
      }
    }
    for (std::size_t k = 1; k < group_.members.size(); ++k)
      if (part_of(k) != part_of(0)) return refuse("they share nothing");
    return true;
  }

  /// Numbers the axes in the order of the member that is computed over most of them.
  bool number_axes() {
    std::size_t widest = 0;
    int most = -1;
    for (std::size_t k = 0; k < group_.members.size(); ++k) {
      int count = 0;
      for (const Dim& d : over(group_.members[k]).shape) count += d.is(1) ? 0 : 1;
      if (count > most) {
        most = count;
        widest = k;
      }
    }
    // Axes that the widest member lacks may still be walked along one of its own of the same size.
    const auto& shape = over(group_.members[widest]).shape;
    for (std::size_t k = 0; k < group_.members.size(); ++k) {
      const auto& own = over(group_.members[k]).shape;
      for (std::size_t i = own.size(); i-- > 0;) {
        auto is_covered = [&](std::size_t j) {
          return root(first_slot_[widest] + static_cast<int>(j)) ==
                 root(first_slot_[k] + static_cast<int>(i));
        };
        bool done = own[i].is(1);
        for (std::size_t j = 0; !done && j < shape.size(); ++j) done = is_covered(j);
        for (std::size_t j = shape.size(); !done && j-- > 0;)
          if (can_unite(first_slot_[widest] + static_cast<int>(j),
                        first_slot_[k] + static_cast<int>(i)))
            done = unite(first_slot_[widest] + static_cast<int>(j),
                         first_slot_[k] + static_cast<int>(i));
      }
    }
    std::unordered_map<int, int> number;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (shape[i].is(1)) continue;
      if (!number
               .emplace(root(first_slot_[widest] + static_cast<int>(i)),
                        static_cast<int>(group_.axes.size()))
               .second)
        return refuse("two of its axes would be one");
      group_.axes.push_back(shape[i]);
    }
    for (std::size_t k = 0; k < group_.members.size(); ++k) {
      Member& m = group_.members[k];
      const auto& own = over(m).shape;
      const auto& ints = graph_[m.id].attrs.ints;
      for (std::size_t i = 0; i < own.size(); ++i) {
        int axis = -1;
        if (!own[i].is(1)) {
          const auto it = number.find(root(first_slot_[k] + static_cast<int>(i)));
          if (it == number.end()) return refuse("their axes differ");
          axis = it->second;
          if (std::ranges::find(m.axes, axis) != m.axes.end())
            return refuse("two of its axes would be one");
          m.domain.push_back(axis);
          if (m.is_reduction && std::ranges::find(ints, static_cast<std::int64_t>(i)) != ints.end())
            m.reduced.push_back(axis);
        }
        m.axes.push_back(axis);
      }
      std::ranges::sort(m.domain);
      std::ranges::sort(m.reduced);
      if (m.is_reduction && m.reduced.empty()) return refuse("it reduces nothing");
    }
    return true;
  }

  /// Finds site and level of every member for the first `rows` axes as rows.
  bool place(int rows) {
    const int rank = static_cast<int>(group_.axes.size());
    Set row_axes, inner;
    for (int i = 0; i < rank; ++i) (i < rows ? row_axes : inner).push_back(i);
    group_.rows = rows;
    group_.levels = 1;
    for (Member& m : group_.members) {
      int level = 0;
      bool all_prologue = true, any_finish = false, any_row = false;
      for (const Edge& e : edges_.of(m.id)) {
        const auto it = index_.find(e.view.base);
        if (it == index_.end()) continue;
        const Member& p = group_.members[it->second];
        const bool is_result = p.is_outer || p.site == Site::finish;
        any_finish = any_finish || is_result;
        any_row = any_row || (!is_result && p.site == Site::main);
        all_prologue = all_prologue && p.site == Site::prologue;
        if (is_result) {
          const Set kept = minus(p.domain, p.reduced);
          if (m.is_reduction)
            return refuse("a reduction of the result of all rows needs a kernel of its own");
          if (!kept.empty() && kept != m.domain)
            return refuse("the results of all rows have other axes");
        }
        // An inner reduction that keeps inner axes leaves its result in memory, after the loop.
        if (p.is_reduction && !p.is_outer && !includes(row_axes, minus(p.domain, p.reduced)))
          return refuse("a partial reduction is read by the same rows");
        level = std::max(level, p.level + (p.is_reduction && !p.is_outer ? 1 : 0));
      }
      m.level = level;
      m.is_outer = m.is_row_value = false;
      if (m.is_reduction) {
        if (any_finish)
          return refuse("a reduction of the result of all rows needs a kernel of its own");
        if (!includes(m.domain, row_axes)) return refuse("a reduction lacks the row axes");
        m.site = Site::main;
        m.is_outer = includes(m.reduced, row_axes) && rows > 0;
        if (!m.is_outer && !disjoint(m.reduced, row_axes))
          return refuse("a reduction takes part of the row axes");
        const Set own_inner = minus(m.domain, row_axes);
        if (!own_inner.empty() && own_inner != inner) return refuse("inner axes differ");
      } else if (m.domain.empty() && all_prologue) {
        m.site = Site::prologue;
      } else if (any_finish || disjoint(m.domain, row_axes)) {
        if (any_row || !disjoint(m.domain, row_axes))
          return refuse("the result of all rows is needed for each row");
        m.site = Site::finish;
      } else {
        if (!includes(m.domain, row_axes)) return refuse("it does not have all row axes");
        const Set own_inner = minus(m.domain, row_axes);
        if (!own_inner.empty() && own_inner != inner) return refuse("inner axes differ");
        m.site = Site::main;
        m.is_row_value = own_inner.empty();
      }
      if (m.site == Site::main) group_.levels = std::max(group_.levels, m.level + 1);
    }
    // Nothing computed for each row may read what is computed after them.
    for (const Member& m : group_.members) {
      if (m.site != Site::main) continue;
      for (const Edge& e : edges_.of(m.id))
        if (const auto it = index_.find(e.view.base);
            it != index_.end() && (group_.members[it->second].site == Site::finish ||
                                   group_.members[it->second].is_outer))
          return refuse("the result of all rows is needed for each row");
    }
    return true;
  }

  const Graph& graph_;
  EdgeCache& edges_;
  std::string_view* why_;
  Group group_;
  std::unordered_map<NodeId, std::size_t> index_;
  std::vector<int> first_slot_;
  std::vector<int> parent_;
  std::vector<Dim> size_;
};

} // namespace

bool is_flat(const Group& group, EdgeCache& edges) {
  // The group's axes that move, in the order in which an array or a member has them.
  auto walks_all = [&](const AxisList& axes) {
    if (axes.empty()) return true;
    if (axes.size() != group.axes.size()) return false;
    return std::ranges::is_sorted(axes);
  };
  auto moving = [](const AxisList& axes) {
    AxisList result;
    std::ranges::copy_if(axes, std::back_inserter(result), [](int a) { return a >= 0; });
    return result;
  };
  return std::ranges::all_of(group.members, [&](const Member& m) {
    if (!walks_all(moving(m.axes))) return false;
    if (m.is_reduction && m.reduced.size() != group.axes.size()) return false;
    return std::ranges::all_of(edges.of(m.id), [&](const Edge& e) {
      AxisList axes;
      for (const AxisMap& map : e.view.axes)
        axes.push_back(map.axis < 0 ? -1 : m.axes[static_cast<std::size_t>(map.axis)]);
      return e.view.is_pure() && walks_all(moving(axes));
    });
  });
}

std::optional<Group> lay_out(const Graph& graph, const std::vector<NodeId>& members,
                             EdgeCache& edges, std::string_view* why) {
  return Layout(graph, members, edges, why).run();
}

} // namespace kroton::plan
