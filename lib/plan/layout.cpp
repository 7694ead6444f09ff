/// lay_out: from a set of nodes to the axes, rows, stages and sites of one kernel.
#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "lib/ir/dim_normal.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/params.hpp"
#include "lib/ops/random.hpp"
#include "lib/plan/group.hpp"
#include "lib/plan/unrolled.hpp"

namespace kroton::plan {
namespace dims = ir::dims;
using ir::Kind;

const Member* Group::find(NodeId id) const {
  const auto it = std::ranges::find(members, id, &Member::id);
  return it == members.end() ? nullptr : &*it;
}

bool is_fusable(const Graph& graph, NodeId id) {
  switch (graph[id].op->kind) {
  case Kind::elementwise:
  case Kind::reduction:
  case Kind::gather:
  case Kind::random:
    return true;
  case Kind::leaf:      // there already
  case Kind::generator: // made of positions by whoever reads it
  case Kind::movement:  // a view, or a name for the same memory
  case Kind::pad:       // taken apart by a rule
  case Kind::scatter:   // steps of their own
  case Kind::contraction:
  case Kind::library:
  case Kind::several: // made other ops by rules
  case Kind::part:
    break;
  }
  return false;
}

Edges elementwise_edges(const Graph& graph, NodeId id) {
  const ir::GraphNode& n = graph[id];
  const auto of_own_rank = [&](std::size_t i) {
    return Edge{i, resolve_view(graph, n.inputs[i], graph[n.inputs[i]].type.rank())};
  };
  Edges edges;
  switch (n.op->kind) {
  case Kind::elementwise:
    for (std::size_t i = 0; i < n.inputs.size(); ++i)
      edges.push_back({i, resolve_view(graph, n.inputs[i], n.type.rank())});
    break;
  case Kind::reduction:
    edges.push_back(of_own_rank(0));
    break;
  case Kind::gather:
    for (std::size_t i = 1; i < n.inputs.size(); ++i) edges.push_back(of_own_rank(i));
    break;
  case Kind::random: // the state is read as a whole
  case Kind::leaf:
  case Kind::generator:
  case Kind::movement:
  case Kind::pad:
  case Kind::scatter:
  case Kind::contraction:
  case Kind::library:
  case Kind::several: // made other ops by rules
  case Kind::part:
    break;
  }
  return edges;
}

namespace {

using Set = AxisList; // sorted

bool contains(const Set& s, int v) { return std::ranges::binary_search(s, v); }
/// Of axes that would be one if it were known.
constexpr std::string_view not_known_equal =
    "their sizes are not known to be equal; one kroton::dim for the axes of both makes them one";

bool includes(const Set& big, const Set& small) { return std::ranges::includes(big, small); }
Set minus(const Set& a, const Set& b) {
  Set out;
  std::ranges::set_difference(a, b, std::back_inserter(out));
  return out;
}
bool disjoint(const Set& a, const Set& b) {
  return std::ranges::none_of(a, [&](int v) { return contains(b, v); });
}

/// Bounds on what unrolling makes of a kernel: copies of a value, values, and their cost.
constexpr std::int64_t most_copies = 9, most_unrolled_values = 256, most_unrolled_cost = 1200;

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
      m.is_reduction = n.op->is_reduction();
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

  std::optional<Group> run(bool may_unroll) {
    if (!unify() || !number_axes()) return std::nullopt;
    if (const AxisList shortest = may_unroll ? axes_to_unroll() : AxisList{}; !shortest.empty()) {
      Group looped = group_;
      unroll(shortest);
      if (place() &&
          std::ranges::none_of(group_.members, [&](const Member& m) { return adds_rows(m); }))
        return std::move(group_);
      group_ = std::move(looped);
    }
    if (!place()) return std::nullopt;
    return std::move(group_);
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
    const ir::Ints& reduced = ops::reduced_axes(graph_[m.id]);
    for (int i = 0; i < over(m).rank(); ++i)
      if (std::ranges::find(reduced, i) == reduced.end()) slots.push_back(first_slot_[k] + i);
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
      return refuse(dims::are_different(size_[static_cast<std::size_t>(a)],
                                        size_[static_cast<std::size_t>(b)])
                        ? "sizes differ"
                        : not_known_equal);
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
    part_.resize(group_.members.size());
    std::iota(part_.begin(), part_.end(), std::size_t{0});
    for (std::size_t k = 0; k < group_.members.size(); ++k)
      if (!tie_to_producers(k)) return false;
    for (const std::vector<Reader>& readers : readers_) tie_readers(readers);
    for (std::size_t k = 1; k < group_.members.size(); ++k)
      if (part_of(k) != part_of(0))
        return refuse("they share nothing: neither reads the other, nor both one array");
    return true;
  }

  /// A member that reads an array from outside the group.
  struct Reader {
    std::size_t member;
    const View* view;
  };

  std::size_t part_of(std::size_t k) {
    while (part_[k] != k) k = part_[k] = part_[part_[k]];
    return k;
  }

  /// Makes the axes of a member one with those of the members that it reads, and notes what else it
  /// reads.
  bool tie_to_producers(std::size_t k) {
    const ir::GraphNode& n = graph_[group_.members[k].id];
    if (n.op->is(Kind::gather)) {
      const View source = resolve_view(graph_, n.inputs[0], graph_[n.inputs[0]].type.rank());
      if (index_.contains(storage_of(graph_, source.base)))
        return refuse("it is read at computed positions, so all of it is computed before; looking "
                      "up what it is made of instead would be one kernel");
    }
    for (const Edge& e : edges_.of(group_.members[k].id)) {
      const auto producer = index_.find(e.view.base);
      if (producer == index_.end()) {
        if (index_.contains(storage_of(graph_, e.view.base)))
          return refuse("a reshape stands between them; what is before it, computed in the new "
                        "shape, would be one kernel with the rest");
        const auto at = reader_list_.emplace(e.view.base, readers_.size());
        if (at.second) readers_.emplace_back();
        readers_[at.first->second].push_back({k, &e.view});
        continue;
      }
      if (!e.view.is_pure())
        return refuse("a slice stands between them; slicing what the op reads instead of what it "
                      "gives would be one kernel");
      const auto slots = result_slots(producer->second);
      for (std::size_t a = 0; a < slots.size(); ++a)
        if (e.view.axes[a].axis >= 0 && !unite(slots[a], first_slot_[k] + e.view.axes[a].axis))
          return false;
      part_[part_of(k)] = part_of(producer->second);
    }
    return true;
  }

  /// What reads an array at the same place may walk it in the same loop.
  void tie_readers(const std::vector<Reader>& readers) {
    const Reader& a = readers[0];
    for (std::size_t i = 1; i < readers.size(); ++i) {
      const Reader& b = readers[i];
      std::vector<std::pair<int, int>> pairs;
      for (std::size_t x = 0; x < a.view->axes.size(); ++x)
        if (a.view->axes[x].axis >= 0 && b.view->axes[x].axis >= 0)
          pairs.emplace_back(first_slot_[a.member] + a.view->axes[x].axis,
                             first_slot_[b.member] + b.view->axes[x].axis);
      const bool fits =
          std::ranges::all_of(pairs, [&](const auto& p) { return can_unite(p.first, p.second); });
      if (!fits) continue;
      for (const auto& [x, y] : pairs) unite(x, y);
      part_[part_of(b.member)] = part_of(a.member);
    }
  }

  /// Numbers the axes in the order of the member that is computed over most of them.
  bool number_axes() {
    const std::size_t widest = find_widest();
    for (std::size_t k = 0; k < group_.members.size(); ++k) align(k, widest);
    const auto& shape = over(group_.members[widest]).shape;
    std::unordered_map<int, int> number; // of each root
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (shape[i].is(1)) continue;
      const int next = static_cast<int>(group_.axes.size());
      if (!number.emplace(root(slot(widest, i)), next).second)
        return refuse("two of its axes would be one");
      group_.axes.push_back(shape[i]);
    }
    for (std::size_t k = 0; k < group_.members.size(); ++k)
      if (!number_axes_of(k, number)) return false;
    return true;
  }

  int slot(std::size_t k, std::size_t axis) const {
    return first_slot_[k] + static_cast<int>(axis);
  }

  std::size_t find_widest() const {
    std::size_t widest = 0;
    long most = -1;
    for (std::size_t k = 0; k < group_.members.size(); ++k) {
      const auto& shape = over(group_.members[k]).shape;
      const long count = std::ranges::count_if(shape, [](const Dim& d) { return !d.is(1); });
      if (count <= most) continue;
      most = count;
      widest = k;
    }
    return widest;
  }

  /// Axes that the widest member lacks may still be walked along one of its own of the same size.
  void align(std::size_t k, std::size_t widest) {
    const auto& shape = over(group_.members[widest]).shape;
    const auto& own = over(group_.members[k]).shape;
    for (std::size_t i = own.size(); i-- > 0;) {
      bool is_done = own[i].is(1);
      for (std::size_t j = 0; !is_done && j < shape.size(); ++j)
        is_done = root(slot(widest, j)) == root(slot(k, i));
      for (std::size_t j = shape.size(); !is_done && j-- > 0;)
        if (can_unite(slot(widest, j), slot(k, i))) is_done = unite(slot(widest, j), slot(k, i));
    }
  }

  bool number_axes_of(std::size_t k, const std::unordered_map<int, int>& number) {
    Member& m = group_.members[k];
    const auto& own = over(m).shape;
    const ir::Ints& reduced = ops::reduced_axes(graph_[m.id]);
    for (std::size_t i = 0; i < own.size(); ++i) {
      int axis = -1;
      if (!own[i].is(1)) {
        const auto it = number.find(root(slot(k, i)));
        if (it == number.end()) {
          const bool may_be_one = std::ranges::any_of(group_.axes, [&](const Dim& d) {
            return !dims::same(d, own[i]) && !dims::are_different(d, own[i]);
          });
          return refuse(may_be_one ? not_known_equal : "their axes differ");
        }
        axis = it->second;
        if (std::ranges::find(m.axes, axis) != m.axes.end())
          return refuse("two of its axes would be one");
        m.domain.push_back(axis);
        if (std::ranges::find(reduced, static_cast<std::int64_t>(i)) != reduced.end())
          m.reduced.push_back(axis);
      }
      m.axes.push_back(axis);
    }
    std::ranges::sort(m.domain);
    std::ranges::sort(m.reduced);
    return !m.is_reduction || !m.reduced.empty() || refuse("it reduces nothing");
  }

  // Axes without loops.

  /// Short axes that neither a loop over all elements nor a neighbour's loop takes in.
  AxisList axes_to_unroll() {
    AxisList axes;
    const int rank = static_cast<int>(group_.axes.size());
    std::int64_t copies = 1;
    for (int a = rank; a-- > 0;) {
      const Dim& n = group_.axes[static_cast<std::size_t>(a)];
      if (!n.is_static() || n.value() < 2 || n.value() > longest_unrolled ||
          copies * n.value() > most_copies || !gains_by_unrolling(a))
        continue;
      axes.push_back(a);
      copies *= n.value();
    }
    std::ranges::reverse(axes);
    if (static_cast<int>(axes.size()) == rank || !can_unroll(axes, copies)) return {};
    return axes;
  }
  bool gains_by_unrolling(int axis) {
    const int last = static_cast<int>(group_.axes.size()) - 1;
    const bool is_reduced = std::ranges::any_of(
        group_.members, [&](const Member& m) { return contains(m.reduced, axis); });
    if (!is_reduced && axis != last) return false;
    return !(axis > 0 && are_one(axis - 1)) && !(axis < last && are_one(axis));
  }
  /// Whether every member and every array that it reads walks `axis` and the next one as one.
  bool are_one(int axis) {
    const auto walks_as_one = [&](const AxisList& axes) {
      const auto a = std::ranges::find(axes, axis), b = std::ranges::find(axes, axis + 1);
      return (a == axes.end() && b == axes.end()) ||
             (a != axes.end() && b != axes.end() && b - a == 1);
    };
    return std::ranges::all_of(group_.members, [&](const Member& m) {
      if (!walks_as_one(m.axes) || contains(m.reduced, axis) != contains(m.reduced, axis + 1))
        return false;
      return std::ranges::all_of(edges_.of(m.id), [&](const Edge& e) {
        AxisList axes;
        for (const AxisMap& map : e.view.axes)
          axes.push_back(map.axis < 0 ? -1 : m.axes[static_cast<std::size_t>(map.axis)]);
        if (!walks_as_one(axes)) return false;
        const auto b = std::ranges::find(axes, axis + 1);
        if (b == axes.end()) return true;
        const auto i = static_cast<std::size_t>(b - axes.begin());
        return e.view.axes[i].start.is(0) && e.view.axes[i].step == 1 &&
               e.view.axes[i - 1].step == 1 &&
               dims::same(graph_[e.view.base].type.shape[i],
                          group_.axes[static_cast<std::size_t>(axis) + 1]);
      });
    });
  }
  bool can_unroll(const AxisList& axes, std::int64_t copies) const {
    std::int64_t cost = 0;
    for (const Member& m : group_.members) {
      const ir::GraphNode& n = graph_[m.id];
      // Random numbers are drawn, and elements at computed positions are taken, along whole rows.
      if (n.op->is(Kind::random) || n.op->is(Kind::gather)) return false;
      if (!disjoint(m.reduced, axes) && !step_of_fold(*n.op)) return false;
      cost += copies * n.op->cost;
    }
    return cost <= most_unrolled_cost &&
           copies * static_cast<std::int64_t>(group_.members.size()) <= most_unrolled_values;
  }
  /// Whether a member adds up floats over all rows: in which order depends on whether short axes
  /// have loops.
  bool adds_rows(const Member& m) const {
    return m.is_outer && is_float(graph_[m.id].type.dtype) &&
           graph_[m.id].op->fold->combine != ir::Combine::maximum &&
           graph_[m.id].op->fold->combine != ir::Combine::minimum;
  }
  void unroll(const AxisList& axes) {
    std::vector<int> number(group_.axes.size());
    std::vector<Dim> looped;
    for (std::size_t a = 0; a < number.size(); ++a)
      if (contains(axes, static_cast<int>(a))) {
        number[a] = unrolled_axis(static_cast<int>(group_.unrolled.size()));
        group_.unrolled.push_back(group_.axes[a].value());
      } else {
        number[a] = static_cast<int>(looped.size());
        looped.push_back(group_.axes[a]);
      }
    group_.axes = std::move(looped);
    const auto split = [&](AxisList& own, AxisList& unrolled) {
      for (const int a : std::exchange(own, AxisList{})) {
        const int n = number[static_cast<std::size_t>(a)];
        if (n >= 0)
          own.push_back(n);
        else
          unrolled.push_back(number_of_unrolled(n));
      }
    };
    for (Member& m : group_.members) {
      for (int& a : m.axes)
        if (a >= 0) a = number[static_cast<std::size_t>(a)];
      split(m.domain, m.unrolled);
      split(m.reduced, m.unrolled_reduced);
      m.is_reduction = m.is_reduction && !m.reduced.empty();
    }
  }

  /// Finds rows, and the site and level of every member; the longest rows that there can be.
  bool place() {
    int rows = static_cast<int>(group_.axes.size());
    if (rows == 0) return place(0);
    while (rows > 0 && !place(rows)) --rows;
    return rows > 0;
  }

  /// Finds site and level of every member for the first `rows` axes as rows.
  bool place(int rows) {
    row_axes_.clear();
    inner_axes_.clear();
    for (int i = 0; i < static_cast<int>(group_.axes.size()); ++i)
      (i < rows ? row_axes_ : inner_axes_).push_back(i);
    group_.rows = rows;
    group_.levels = 1;
    for (Member& m : group_.members) {
      const auto reads = reads_of(m);
      if (!reads) return false;
      m.level = reads->level;
      m.is_outer = m.is_row_value = false;
      if (m.is_reduction ? !place_reduction(m) : !place_value(m, *reads)) return false;
      if (m.site == Site::main) group_.levels = std::max(group_.levels, m.level + 1);
    }
    // Nothing computed for each row may read what is computed after them.
    for (const Member& m : group_.members) {
      if (m.site != Site::main) continue;
      for (const Edge& e : edges_.of(m.id))
        if (const Member* p = member(e.view.base); p && is_after_rows(*p))
          return refuse("the result of all rows is needed for each row, and no row has it before "
                        "all are read");
    }
    return true;
  }

  const Member* member(NodeId id) const {
    const auto it = index_.find(id);
    return it == index_.end() ? nullptr : &group_.members[it->second];
  }
  static bool is_after_rows(const Member& m) { return m.is_outer || m.site == Site::finish; }

  /// What a member has from other members, which have been placed.
  struct Reads {
    int level = 0; ///< above every inner reduction
    bool are_all_prologue = true, has_finish = false, has_row = false;
  };

  std::optional<Reads> reads_of(const Member& m) {
    const auto refused = [&](std::string_view reason) {
      refuse(reason);
      return std::nullopt;
    };
    Reads reads;
    for (const Edge& e : edges_.of(m.id)) {
      const Member* p = member(e.view.base);
      if (!p) continue;
      const bool is_result = is_after_rows(*p);
      reads.has_finish = reads.has_finish || is_result;
      reads.has_row = reads.has_row || (!is_result && p->site == Site::main);
      reads.are_all_prologue = reads.are_all_prologue && p->site == Site::prologue;
      if (is_result) {
        if (m.is_reduction)
          return refused("a reduction of the result of all rows needs a kernel of its own");
        const Set kept = minus(p->domain, p->reduced);
        if (!kept.empty() && kept != m.domain)
          return refused("the results of all rows have other axes");
      }
      const bool is_inner = p->is_reduction && !p->is_outer;
      // An inner reduction that keeps inner axes leaves its result in memory, after the loop.
      if (is_inner && !includes(row_axes_, minus(p->domain, p->reduced)))
        return refused("a partial reduction is read by the same rows");
      reads.level = std::max(reads.level, p->level + (is_inner ? 1 : 0));
    }
    return reads;
  }

  bool place_reduction(Member& m) {
    if (!includes(m.domain, row_axes_)) return refuse("a reduction lacks the row axes");
    m.site = Site::main;
    m.is_outer = includes(m.reduced, row_axes_) && group_.rows > 0;
    if (!m.is_outer && !disjoint(m.reduced, row_axes_))
      return refuse("a reduction takes part of the row axes");
    return has_all_inner_axes_or_none(m);
  }

  bool place_value(Member& m, const Reads& reads) {
    const bool has_row_axes = !disjoint(m.domain, row_axes_);
    if (m.domain.empty() && reads.are_all_prologue) {
      m.site = Site::prologue;
      return true;
    }
    if (reads.has_finish || !has_row_axes) {
      if (reads.has_row || has_row_axes)
        return refuse(
            "the result of all rows is needed for each row, and no row has it before all are read");
      m.site = Site::finish;
      return true;
    }
    if (!includes(m.domain, row_axes_)) return refuse("it does not have all row axes");
    m.site = Site::main;
    m.is_row_value = minus(m.domain, row_axes_).empty();
    return has_all_inner_axes_or_none(m);
  }

  bool has_all_inner_axes_or_none(const Member& m) {
    const Set own = minus(m.domain, row_axes_);
    return own.empty() || own == inner_axes_ ||
           refuse("inner axes differ: one of the two has only some of those that the other walks "
                  "in each row");
  }

  const Graph& graph_;
  EdgeCache& edges_;
  std::string_view* why_;
  Group group_;
  std::unordered_map<NodeId, std::size_t> index_;
  std::vector<int> first_slot_;
  std::vector<int> parent_;
  std::vector<Dim> size_;
  std::vector<std::size_t> part_;            ///< of each member: parts that nothing ties together
  std::vector<std::vector<Reader>> readers_; ///< of each array, in the order of their first reader
  std::unordered_map<NodeId, std::size_t> reader_list_; ///< index into `readers_`
  Set row_axes_, inner_axes_;
};

} // namespace

bool is_flat(const Group& group, EdgeCache& edges) {
  if (!group.unrolled.empty()) return false;
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
                             EdgeCache& edges, bool may_unroll, std::string_view* why) {
  return Layout(graph, members, edges, why).run(may_unroll);
}

const ir::Op* step_of_fold(const ir::Op& reduction) {
  if (&reduction == &ops::sum) return &ops::add;
  if (&reduction == &ops::max) return &ops::maximum;
  if (&reduction == &ops::min) return &ops::minimum;
  return nullptr;
}

} // namespace kroton::plan
