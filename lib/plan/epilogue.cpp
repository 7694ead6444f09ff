#include "lib/plan/epilogue.hpp"

#include <algorithm>
#include <functional>
#include <set>

#include "lib/ops/random.hpp"

namespace kroton::plan {
namespace dims = ir::dims;
namespace {

/// Searches that visit more steps than this give up: a path is taken to be there.
constexpr std::size_t max_visits = 4096;

constexpr int none = -1;

class EpilogueFinder {
public:
  EpilogueFinder(const Graph& graph, const std::vector<NodeId>& order,
                 const std::vector<Group>& groups)
      : graph_(graph), order_(order), groups_(groups), edges_(graph),
        position_(graph.numel(), none), unit_of_(graph.numel(), none) {
    for (std::size_t i = 0; i < order.size(); ++i) position_[at(order[i])] = static_cast<int>(i);
    for (const Group& g : groups) {
      Unit& unit = new_unit();
      for (const Member& m : g.members) add(unit, m.id);
    }
    for (NodeId id : order)
      if (unit_of_[at(id)] == none && is_computed(id)) add(new_unit(), id);
    find_needs();
  }

  std::vector<NodeId> run() {
    std::vector<NodeId> product_of(groups_.size(), ir::no_node);
    for (std::size_t g = 0; g < groups_.size(); ++g)
      for (NodeId p : products_read_by(groups_[g])) {
        const int product = root(unit_of_[at(p)]), group = static_cast<int>(g);
        if (units_[at(product)].has_epilogue || !follows(groups_[g], p) ||
            has_other_path(product, group))
          continue;
        product_of[g] = p;
        join(product, group);
        break;
      }
    return product_of;
  }

private:
  /// What one step computes: a group, a node outside of groups, or a product with its epilogue.
  struct Unit {
    std::vector<NodeId> computes;
    std::set<int> needs; ///< units; see `root`
    int last = none;     ///< where in the order the last node stands
    bool has_epilogue = false;
  };

  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  bool is_product(NodeId id) const { return graph_[id].op->is(ir::Kind::contraction); }
  bool is_computed(NodeId id) const {
    return graph_[id].op->call != nullptr || is_join(graph_, id);
  }

  Unit& new_unit() {
    parent_.push_back(static_cast<int>(units_.size()));
    return units_.emplace_back();
  }
  void add(Unit& unit, NodeId id) {
    unit_of_[at(id)] = static_cast<int>(&unit - units_.data());
    unit.computes.push_back(id);
    unit.last = std::max(unit.last, position_[at(id)]);
  }

  /// The stored node behind an operand.
  NodeId stored(NodeId id) const {
    while (is_view(graph_, id) || is_alias(graph_, id)) id = graph_[id].inputs[0];
    return id;
  }

  void find_needs() {
    is_read_outside_.insert(graph_.outputs().begin(), graph_.outputs().end());
    for (std::size_t u = 0; u < units_.size(); ++u)
      for (NodeId id : units_[u].computes)
        for (NodeId i : graph_[id].inputs) {
          const NodeId from = stored(i);
          const int maker = unit_of_[at(from)];
          if (maker == none || maker == static_cast<int>(u)) continue;
          units_[u].needs.insert(maker);
          is_read_outside_.insert(from);
        }
  }

  int root(int unit) {
    while (parent_[at(unit)] != unit) unit = parent_[at(unit)] = parent_[at(parent_[at(unit)])];
    return unit;
  }

  void join(int product, int group) {
    Unit &into = units_[at(group)], &from = units_[at(product)];
    into.needs.insert(from.needs.begin(), from.needs.end());
    into.last = std::max(into.last, from.last);
    into.has_epilogue = true;
    parent_[at(product)] = group;
  }

  /// The last one first: what it needs is computed by then.
  std::vector<NodeId> products_read_by(const Group& group) {
    std::vector<NodeId> products;
    for (const Member& m : group.members)
      for (const Edge& e : edges_.of(m.id))
        if (is_product(e.view.base) && std::ranges::find(products, e.view.base) == products.end())
          products.push_back(e.view.base);
    std::ranges::sort(products, std::greater{}, [&](NodeId p) { return position_[at(p)]; });
    return products;
  }

  /// Whether a group is computed element by element at the places of the product, whose shape all
  /// have that it gives to others.
  bool follows(const Group& group, NodeId product) {
    if (group.levels != 1 || !has_axes_of(group, product)) return false;
    return std::ranges::all_of(group.members, [&](const Member& m) {
      const ir::Op& op = *graph_[m.id].op;
      if (!op.is(ir::Kind::elementwise) && !op.is(ir::Kind::random)) return false;
      if (m.site == Site::finish || place_in_join(graph_, m.id)) return false;
      if (is_read_outside_.contains(m.id) && !has_all_axes(group, m.axes)) return false;
      return std::ranges::all_of(edges_.of(m.id), [&](const Edge& e) {
        if (stored(e.view.base) != product) return true;
        return e.view.base == product && e.view.is_pure() &&
               has_all_axes(group, axes_read(m, e.view));
      });
    });
  }

  /// Whether a group's loops are those over a product's elements.
  bool has_axes_of(const Group& group, NodeId product) const {
    std::size_t next = 0;
    for (const Dim& d : graph_[product].type.shape) {
      if (d.is(1)) continue;
      if (next == group.axes.size() || !dims::same(group.axes[next++], d)) return false;
    }
    return next == group.axes.size() && next > 0;
  }

  /// The group's axis that each axis of an array moves along, read by a member.
  static AxisList axes_read(const Member& m, const View& view) {
    AxisList axes;
    for (const AxisMap& map : view.axes) axes.push_back(map.axis < 0 ? none : m.axes[at(map.axis)]);
    return axes;
  }

  /// Whether `axes`, but for those of size 1, are all of the group's in their order.
  static bool has_all_axes(const Group& group, const AxisList& axes) {
    int next = 0;
    for (int a : axes)
      if (a != none && a != next++) return false;
    return next == static_cast<int>(group.axes.size());
  }

  /// Whether a third unit needs the product and is needed by the group: together, they would need
  /// it and be needed by it. What a unit needs is before its last node.
  bool has_other_path(int product, int group) {
    const int earliest = units_[at(product)].last;
    std::set<int> seen{group};
    std::vector<int> rest{group};
    while (!rest.empty()) {
      const int unit = rest.back();
      rest.pop_back();
      for (int n : units_[at(unit)].needs) {
        const int needed = root(n);
        if (needed == product && unit != group) return true;
        if (needed == product || units_[at(needed)].last < earliest) continue;
        if (seen.insert(needed).second) rest.push_back(needed);
        if (seen.size() > max_visits) return true;
      }
    }
    return false;
  }

  const Graph& graph_;
  const std::vector<NodeId>& order_;
  const std::vector<Group>& groups_;
  EdgeCache edges_;
  std::vector<int> position_; ///< of each node in `order_`
  std::vector<int> unit_of_;  ///< of each node, before any were joined
  std::vector<Unit> units_;   ///< those of the groups first, in their order
  std::vector<int> parent_;   ///< of units that were joined with another, that one
  std::set<NodeId> is_read_outside_;
};

} // namespace

std::vector<NodeId> find_epilogues(const Graph& graph, const std::vector<NodeId>& order,
                                   const std::vector<Group>& groups) {
  return EpilogueFinder(graph, order, groups).run();
}

} // namespace kroton::plan
