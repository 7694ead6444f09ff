/// Greedy fusion. A producer joins its consumer's kernel when one kernel can compute both and no
/// path between them runs through a third.
#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "lib/ops/ops.hpp"
#include "lib/plan/group.hpp"

namespace kroton::plan {
namespace {

// Bounds on one kernel keep Clang's time linear in the size of the program.
constexpr std::size_t max_members = 96;
constexpr int max_cost = 600;
constexpr std::size_t max_visits = 4096;

constexpr int none = -1;

std::size_t at(NodeId id) { return static_cast<std::size_t>(id); }

class Fuser {
public:
  Fuser(const Graph& graph, const std::vector<NodeId>& order)
      : graph_(graph), order_(order), position_(graph.numel(), 0), group_of_(graph.numel(), none),
        seen_(graph.numel()) {
    for (std::size_t i = 0; i < order.size(); ++i) position_[at(order[i])] = static_cast<int>(i);
  }

  Fusion run(bool one_each) {
    for (NodeId id : order_) {
      if (!is_fusable(graph_, id)) continue;
      add_group(id);
      if (one_each) continue;
      support::SmallVector<NodeId, 4> producers;
      for (const Edge& e : edges_.of(id))
        if (group_of_[at(e.view.base)] != none &&
            std::ranges::find(producers, e.view.base) == producers.end())
          producers.push_back(e.view.base);
      std::ranges::sort(producers, std::greater{}, [&](NodeId p) { return position_[at(p)]; });
      for (NodeId p : producers) try_merge(p, id);
    }
    if (!one_each) {
      merge_siblings();
      while (split_one_in_circle()) {
      }
    }
    return finish();
  }

private:
  /// A group of one node.
  void add_group(NodeId id) {
    group_of_[at(id)] = static_cast<int>(groups_.size());
    groups_.push_back({id});
    cost_.push_back(graph_[id].op->cost);
    is_plain_.push_back(is_plain(id));
  }

  void try_merge(NodeId producer, NodeId consumer) {
    const int a = group_of_[at(producer)], b = group_of_[at(consumer)];
    if (a == b) return;
    const std::string_view why = merge_problem(a, b, are_plain(a, b));
    if (why.empty())
      merge(a, b);
    else
      cuts_.push_back({producer, consumer, why});
  }

  /// Whether a node is computed element by element over its own shape from arrays of that shape
  /// and from scalars.
  bool is_plain(NodeId id) {
    const ir::GraphNode& n = graph_[id];
    const auto& shape = n.type.shape;
    if (!n.op->has(ir::Trait::elementwise) || shape.empty()) return false;
    return std::ranges::all_of(edges_.of(id), [&](const Edge& e) {
      const ir::GraphNode& base = graph_[e.view.base];
      if (storage_of(graph_, e.view.base) != e.view.base) return false;
      if (base.type.shape.empty()) return true;
      if (!e.view.is_pure() || !ir::dims::same(base.type.shape, shape)) return false;
      for (std::size_t i = 0; i < shape.size(); ++i)
        if (e.view.axes[i].axis != static_cast<int>(i) && !shape[i].is(1)) return false;
      return true;
    });
  }

  /// Whether all of two groups are plain and of one shape. If one reads the other, a loop over that
  /// shape computes both, and there is no need to lay it out: the long chains that gradients make
  /// would have it laid out again with every node.
  bool are_plain(int a, int b) const {
    const auto shape = [&](int group) -> const std::vector<Dim>& {
      return graph_[groups_[static_cast<std::size_t>(group)].front()].type.shape;
    };
    return is_plain_[static_cast<std::size_t>(a)] && is_plain_[static_cast<std::size_t>(b)] &&
           ir::dims::same(shape(a), shape(b));
  }

  /// Why two groups cannot be one; empty if they can. `can_lay_out`: one loop is known to do.
  std::string_view merge_problem(int a, int b, bool can_lay_out = false) {
    const auto& ga = groups_[static_cast<std::size_t>(a)];
    const auto& gb = groups_[static_cast<std::size_t>(b)];
    if (ga.size() + gb.size() > max_members) return "the kernel would be too large";
    if (cost_[static_cast<std::size_t>(a)] + cost_[static_cast<std::size_t>(b)] > max_cost)
      return "the kernel would be too large";
    if (!can_lay_out)
      if (const std::string_view why = layout_problem(joined(ga, gb)); !why.empty()) return why;
    if (has_path_between(a, b)) return "a path between them runs through another kernel";
    return {};
  }

  std::string_view layout_problem(const std::vector<NodeId>& ids) {
    std::string_view why;
    const auto group = lay_out(graph_, ids, edges_, &why);
    if (!group) return why;
    if (!draws_in_order(*group)) return "random numbers are drawn many at a time";
    return {};
  }

  /// Whether the loops walk all random numbers front to back, if there are any.
  bool draws_in_order(const Group& group) const {
    return std::ranges::all_of(group.members, [&](const Member& m) {
      if (graph_[m.id].op != &ops::uniform || group.members.size() == 1) return true;
      std::vector<int> moving;
      std::ranges::copy_if(m.axes, std::back_inserter(moving), [](int a) { return a >= 0; });
      return m.site == Site::main && moving.size() == group.axes.size() &&
             std::ranges::is_sorted(moving);
    });
  }

  std::vector<NodeId> joined(const std::vector<NodeId>& a, const std::vector<NodeId>& b) const {
    std::vector<NodeId> all(a.size() + b.size());
    const auto position = [&](NodeId id) { return position_[at(id)]; };
    std::ranges::merge(a, b, all.begin(), {}, position, position);
    return all;
  }

  void merge(int a, int b) {
    auto& ga = groups_[static_cast<std::size_t>(a)];
    auto& gb = groups_[static_cast<std::size_t>(b)];
    is_plain_[static_cast<std::size_t>(a)] = are_plain(a, b);
    if (position_[at(ga.back())] < position_[at(gb.front())])
      ga.insert(ga.end(), gb.begin(), gb.end());
    else
      ga = joined(ga, gb);
    for (NodeId id : gb) group_of_[at(id)] = a;
    gb = {};
    cost_[static_cast<std::size_t>(a)] += cost_[static_cast<std::size_t>(b)];
  }

  /// Whether something outside both groups depends on one and is needed by the other.
  bool has_path_between(int a, int b) { return has_outside_path(a, b) || has_outside_path(b, a); }

  bool has_outside_path(int from, int to) {
    const auto& start = groups_[static_cast<std::size_t>(from)];
    const int earliest = position_[at(start.front())];
    // Views between the two groups are no third party: they are walked through, but reaching
    // `from` counts only after leaving through a node that some kernel or library call computes.
    ++walk_;
    steps_.clear();
    std::size_t visits = 0;
    auto visit = [&](NodeId id, bool left) {
      for (NodeId i : graph_[id].inputs) {
        if (position_[at(i)] < earliest) continue;
        int& last_walk = seen_[at(i)][left ? 1 : 0];
        if (std::exchange(last_walk, walk_) == walk_) continue;
        steps_.push_back({i, left});
        ++visits;
      }
    };
    for (NodeId id : groups_[static_cast<std::size_t>(to)]) visit(id, false);
    while (!steps_.empty()) {
      const Step s = steps_.back();
      steps_.pop_back();
      if (visits > max_visits) return true;
      const int g = group_of_[at(s.id)];
      if (g == from) {
        if (s.left) return true;
        continue;
      }
      if (g == to) continue;
      if (is_view(graph_, s.id)) {
        visit(s.id, s.left);
      } else if (g >= 0) {
        for (NodeId id : groups_[static_cast<std::size_t>(g)]) visit(id, true);
      } else {
        visit(s.id, true);
      }
    }
    return false;
  }

  /// Kernels that read the same array become one where they can: it is then read once.
  void merge_siblings() {
    std::unordered_map<NodeId, std::vector<NodeId>> readers;
    std::vector<NodeId> bases;
    for (NodeId id : order_) {
      if (group_of_[at(id)] == none) continue;
      for (const Edge& e : edges_.of(id)) {
        if (graph_[e.view.base].type.shape.empty()) continue;
        auto& list = readers[e.view.base];
        if (list.empty()) bases.push_back(e.view.base);
        list.push_back(id);
      }
    }
    for (NodeId base : bases) {
      const auto& list = readers[base];
      for (std::size_t i = 1; i < list.size() && i < 16; ++i) {
        const int a = group_of_[at(list[0])], b = group_of_[at(list[i])];
        if (a != b && merge_problem(a, b).empty()) merge(a, b);
      }
    }
  }

  /// has_outside_path looks no further back than where its goal begins, so a group that begins
  /// earlier and ends later can close a circle unseen. Then the smallest group of a circle is taken
  /// apart; false if there is no circle.
  bool split_one_in_circle() {
    const std::vector<bool> is_in_circle = find_circles();
    int smallest = -1;
    for (std::size_t g = 0; g < groups_.size(); ++g)
      if (is_in_circle[g] && groups_[g].size() > 1 &&
          (smallest < 0 || groups_[g].size() < groups_[static_cast<std::size_t>(smallest)].size()))
        smallest = static_cast<int>(g);
    if (smallest < 0) return false;
    const std::vector<NodeId> apart =
        std::exchange(groups_[static_cast<std::size_t>(smallest)], {});
    for (NodeId id : apart) {
      add_group(id);
      cuts_.push_back({apart.front(), id, "their kernel and another would need each other"});
    }
    return true;
  }

  using Neighbours = std::vector<std::vector<int>>;

  /// Of each group and of what is outside of groups: whether it is in a circle, or between two.
  std::vector<bool> find_circles() const {
    // Units: the groups, then the nodes outside groups.
    Neighbours users(groups_.size() + order_.size()), makers(users.size());
    auto unit = [&](NodeId id) {
      const int group = group_of_[at(id)];
      return group == none ? static_cast<int>(groups_.size()) + position_[at(id)] : group;
    };
    for (NodeId id : order_) {
      if (is_view(graph_, id)) continue; // part of whoever reads through it
      for (NodeId i : graph_[id].inputs) {
        while (is_view(graph_, i)) i = graph_[i].inputs[0];
        const int from = unit(i), to = unit(id);
        if (from == to) continue;
        users[static_cast<std::size_t>(from)].push_back(to);
        makers[static_cast<std::size_t>(to)].push_back(from);
      }
    }
    std::vector<bool> is_left(users.size(), true);
    peel(makers, users, is_left);
    peel(users, makers, is_left);
    return is_left;
  }

  /// Takes away, again and again, what has nothing left before it.
  static void peel(const Neighbours& before, const Neighbours& after, std::vector<bool>& is_left) {
    std::vector<std::size_t> waiting(before.size()), ready;
    for (std::size_t u = 0; u < before.size(); ++u) {
      waiting[u] = static_cast<std::size_t>(std::ranges::count_if(
          before[u], [&](int m) { return is_left[static_cast<std::size_t>(m)]; }));
      if (waiting[u] == 0 && is_left[u]) ready.push_back(u);
    }
    while (!ready.empty()) {
      const std::size_t u = ready.back();
      ready.pop_back();
      is_left[u] = false;
      for (int v : after[u])
        if (--waiting[static_cast<std::size_t>(v)] == 0 && is_left[static_cast<std::size_t>(v)])
          ready.push_back(static_cast<std::size_t>(v));
    }
  }

  Fusion finish() {
    Fusion fusion;
    fusion.groups.reserve(static_cast<std::size_t>(
        std::ranges::count_if(groups_, [](const auto& ids) { return !ids.empty(); })));
    for (const auto& ids : groups_) {
      if (ids.empty()) continue;
      std::string_view why;
      auto group = lay_out(graph_, ids, edges_, &why);
      KROTON_CHECK(group, "{} alone cannot be laid out: {}", graph_[ids.front()].op->name, why);
      fusion.groups.push_back(std::move(*group));
      for (NodeId id : ids) edges_.forget(id);
    }
    fusion.cuts = std::move(cuts_);
    return fusion;
  }

  const Graph& graph_;
  EdgeCache edges_{graph_};
  const std::vector<NodeId>& order_;
  std::vector<int> position_;               ///< of each node in `order_`
  std::vector<int> group_of_;               ///< of each node, or `none`
  std::vector<std::vector<NodeId>> groups_; ///< sorted by position; empty once merged away
  std::vector<int> cost_;
  std::vector<bool> is_plain_; ///< of each group: see are_plain
  std::vector<Cut> cuts_;

  /// A node that has_outside_path has reached, and whether another kernel lies on the way.
  struct Step {
    NodeId id;
    bool left;
  };
  std::vector<Step> steps_;
  std::vector<std::array<int, 2>> seen_; ///< the last walk that reached each node, by Step::left
  int walk_ = 0;
};

} // namespace

Fusion fuse(const Graph& graph, const std::vector<NodeId>& order, bool one_each) {
  return Fuser(graph, order).run(one_each);
}

} // namespace kroton::plan
