/// Greedy fusion. A producer joins its consumer's kernel when one kernel can compute both and no
/// path between them runs through a third.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "lib/ops/ops.hpp"
#include "lib/plan/group.hpp"

namespace kroton::plan {
namespace {

// Bounds on one kernel keep Clang's time linear in the size of the program.
constexpr std::size_t max_members = 96;
constexpr int max_cost = 600;
constexpr std::size_t max_visits = 4096;

class Fuser {
public:
  Fuser(const Graph& graph, const std::vector<NodeId>& order) : graph_(graph), order_(order) {
    for (std::size_t i = 0; i < order.size(); ++i) position_.emplace(order[i], static_cast<int>(i));
  }

  Fusion run(bool one_each) {
    for (NodeId id : order_) {
      if (!is_fusable(graph_, id)) continue;
      const int own = static_cast<int>(groups_.size());
      groups_.push_back({id});
      cost_.push_back(graph_[id].op->cost);
      is_plain_.push_back(is_plain(id));
      group_of_.emplace(id, own);
      if (one_each) continue;
      std::vector<NodeId> producers;
      for (const Edge& e : edges_.of(id))
        if (group_of_.contains(e.view.base) &&
            std::ranges::find(producers, e.view.base) == producers.end())
          producers.push_back(e.view.base);
      std::ranges::sort(producers, std::greater{}, [&](NodeId p) { return position_.at(p); });
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
  void try_merge(NodeId producer, NodeId consumer) {
    const int a = group_of_.at(producer), b = group_of_.at(consumer);
    if (a == b) return;
    std::string why = merge_problem(a, b, are_plain(a, b));
    if (why.empty())
      merge(a, b);
    else
      cuts_.push_back({producer, consumer, std::move(why)});
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
  std::string merge_problem(int a, int b, bool can_lay_out = false) {
    const auto& ga = groups_[static_cast<std::size_t>(a)];
    const auto& gb = groups_[static_cast<std::size_t>(b)];
    if (ga.size() + gb.size() > max_members) return "the kernel would be too large";
    if (cost_[static_cast<std::size_t>(a)] + cost_[static_cast<std::size_t>(b)] > max_cost)
      return "the kernel would be too large";
    if (!can_lay_out)
      if (std::string why = layout_problem(joined(ga, gb)); !why.empty()) return why;
    if (has_path_between(a, b)) return "a path between them runs through another kernel";
    return {};
  }

  std::string layout_problem(const std::vector<NodeId>& ids) {
    std::string why;
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
    std::vector<NodeId> all;
    std::ranges::merge(
        a, b, std::back_inserter(all), {}, [&](NodeId id) { return position_.at(id); },
        [&](NodeId id) { return position_.at(id); });
    return all;
  }

  void merge(int a, int b) {
    auto& ga = groups_[static_cast<std::size_t>(a)];
    auto& gb = groups_[static_cast<std::size_t>(b)];
    is_plain_[static_cast<std::size_t>(a)] = are_plain(a, b);
    ga = joined(ga, gb);
    for (NodeId id : gb) group_of_[id] = a;
    gb.clear();
    cost_[static_cast<std::size_t>(a)] += cost_[static_cast<std::size_t>(b)];
  }

  /// Whether something outside both groups depends on one and is needed by the other.
  bool has_path_between(int a, int b) { return has_outside_path(a, b) || has_outside_path(b, a); }

  bool has_outside_path(int from, int to) {
    const auto& start = groups_[static_cast<std::size_t>(from)];
    const int earliest = position_.at(start.front());
    auto group = [&](NodeId id) {
      const auto it = group_of_.find(id);
      return it == group_of_.end() ? -1 : it->second;
    };
    // Views between the two groups are no third party: they are walked through, but reaching
    // `from` counts only after leaving through a node that some kernel or library call computes.
    struct Step {
      NodeId id;
      bool left;
    };
    std::vector<Step> steps;
    std::unordered_set<NodeId> seen_left, seen_direct;
    auto visit = [&](NodeId id, bool left) {
      for (NodeId i : graph_[id].inputs) {
        if (position_.at(i) < earliest) continue;
        if ((left ? seen_left : seen_direct).insert(i).second) steps.push_back({i, left});
      }
    };
    for (NodeId id : groups_[static_cast<std::size_t>(to)]) visit(id, false);
    while (!steps.empty()) {
      const Step s = steps.back();
      steps.pop_back();
      if (seen_left.size() + seen_direct.size() > max_visits) return true;
      const int g = group(s.id);
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
      const auto it = group_of_.find(id);
      if (it == group_of_.end()) continue;
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
        const int a = group_of_.at(list[0]), b = group_of_.at(list[i]);
        if (a != b && merge_problem(a, b).empty()) merge(a, b);
      }
    }
  }

  /// has_outside_path looks no further back than where its goal begins, so a group that begins
  /// earlier and ends later can close a circle unseen. Then the smallest group of a circle is taken
  /// apart; false if there is no circle.
  bool split_one_in_circle() {
    // Units: the groups, then the nodes outside groups.
    std::vector<std::vector<int>> users(groups_.size() + order_.size()), makers(users.size());
    auto unit = [&](NodeId id) {
      const auto it = group_of_.find(id);
      return it == group_of_.end() ? static_cast<int>(groups_.size()) + position_.at(id)
                                   : it->second;
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
    // What remains after taking away, again and again, what needs nothing or is needed by nothing.
    std::vector<bool> is_gone(users.size(), false);
    auto peel = [&](const auto& before, const auto& after) {
      std::vector<std::size_t> waiting(before.size()), ready;
      for (std::size_t u = 0; u < before.size(); ++u) {
        waiting[u] = static_cast<std::size_t>(std::ranges::count_if(
            before[u], [&](int m) { return !is_gone[static_cast<std::size_t>(m)]; }));
        if (waiting[u] == 0 && !is_gone[u]) ready.push_back(u);
      }
      while (!ready.empty()) {
        const std::size_t u = ready.back();
        ready.pop_back();
        is_gone[u] = true;
        for (int v : after[u])
          if (--waiting[static_cast<std::size_t>(v)] == 0 && !is_gone[static_cast<std::size_t>(v)])
            ready.push_back(static_cast<std::size_t>(v));
      }
    };
    peel(makers, users);
    peel(users, makers);
    int smallest = -1;
    for (std::size_t g = 0; g < groups_.size(); ++g)
      if (!is_gone[g] && groups_[g].size() > 1 &&
          (smallest < 0 || groups_[g].size() < groups_[static_cast<std::size_t>(smallest)].size()))
        smallest = static_cast<int>(g);
    if (smallest < 0) return false;
    const std::vector<NodeId> apart =
        std::exchange(groups_[static_cast<std::size_t>(smallest)], {});
    for (NodeId id : apart) {
      group_of_[id] = static_cast<int>(groups_.size());
      groups_.push_back({id});
      cost_.push_back(graph_[id].op->cost);
      is_plain_.push_back(is_plain(id));
      cuts_.push_back({apart.front(), id, "their kernel and another would need each other"});
    }
    return true;
  }

  Fusion finish() {
    Fusion fusion;
    for (const auto& ids : groups_) {
      if (ids.empty()) continue;
      std::string why;
      auto group = lay_out(graph_, ids, edges_, &why);
      KROTON_CHECK(group, "{} alone cannot be laid out: {}", graph_[ids.front()].op->name, why);
      fusion.groups.push_back(std::move(*group));
    }
    fusion.cuts = std::move(cuts_);
    return fusion;
  }

  const Graph& graph_;
  EdgeCache edges_{graph_};
  const std::vector<NodeId>& order_;
  std::unordered_map<NodeId, int> position_;
  std::unordered_map<NodeId, int> group_of_;
  std::vector<std::vector<NodeId>> groups_; ///< sorted by position; empty once merged away
  std::vector<int> cost_;
  std::vector<bool> is_plain_; ///< of each group: see are_plain
  std::vector<Cut> cuts_;
};

} // namespace

Fusion fuse(const Graph& graph, const std::vector<NodeId>& order, bool one_each) {
  return Fuser(graph, order).run(one_each);
}

} // namespace kroton::plan
