/// Greedy fusion. A producer joins its consumer's kernel when one kernel can compute both and no
/// path between them runs through a third.
#include <algorithm>
#include <array>
#include <functional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "lib/ops/random.hpp"
#include "lib/plan/group.hpp"

namespace kroton::plan {
namespace {

// Bounds on one kernel keep the compiler's time linear in the size of the program.
constexpr std::size_t max_members = 96;
constexpr int max_cost = 600;
constexpr std::string_view is_too_large =
    "the kernel would be too large: it may have 96 ops, and 600 times the work of an addition";
/// Of a long chain that is walked in pieces, which are what the compiler sees.
constexpr std::size_t max_chain_members = 4096;
constexpr std::size_t max_visits = 4096;

/// Readers of one array that share a kernel.
constexpr std::size_t most_readers = 16;

constexpr std::string_view is_by_another_way = "a path between them runs through another kernel";

constexpr int none = -1;

std::size_t at(NodeId id) { return static_cast<std::size_t>(id); }

/// A number that stands for a sequence of numbers and of what nodes compute.
struct Form : ir::FieldVisitor {
  std::uint64_t number = 0;

  void add(std::uint64_t x) {
    number = (number ^ x) * 0x9e3779b97f4a7c15u;
    number ^= number >> 32;
  }
  void add(const Graph& graph, NodeId id) {
    const ir::GraphNode& n = graph[id];
    add(std::hash<std::string_view>{}(n.op->name));
    add(static_cast<std::uint64_t>(n.type.dtype));
    n.params.visit(*this);
  }

  void visit(std::string_view, const bool& value) override { add(value ? 1 : 0); }
  void visit(std::string_view, const std::int64_t& value) override {
    add(static_cast<std::uint64_t>(value));
  }
  void visit(std::string_view, const ir::Ints& value) override {
    for (std::int64_t i : value) add(static_cast<std::uint64_t>(i));
  }
  void visit(std::string_view, const ir::Draw& value) override {
    add(static_cast<std::uint64_t>(value.number));
  }
  // Sizes and constants become arguments of one text; a result's dtype has been added.
  void visit(std::string_view, const DType&) override {}
  void visit(std::string_view, const ir::Scalar&) override {}
  void visit(std::string_view, const Dim&) override {}
  void visit(std::string_view, const ir::DimList&) override {}
  void visit(std::string_view, const ir::InputIdentity&) override {}
  void visit(std::string_view, const ir::SharedIdentity&) override {}
  void visit(std::string_view, const ir::ArrayIdentity&) override {}
};

class Fuser {
public:
  Fuser(const Graph& graph, const std::vector<NodeId>& order, bool may_unroll, bool walks_pieces)
      : graph_(graph), may_unroll_(may_unroll), order_(order), walks_pieces_(walks_pieces),
        position_(graph.numel(), 0), group_of_(graph.numel(), none),
        part_(graph.numel(), Part::none), seen_(graph.numel()) {
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
  void add_group(NodeId id) { add_group_of({id}, is_plain(id)); }

  void add_group_of(std::vector<NodeId> ids, bool is_plain) {
    int cost = 0;
    for (NodeId id : ids) {
      group_of_[at(id)] = static_cast<int>(groups_.size());
      cost += graph_[id].op->cost;
    }
    groups_.push_back(std::move(ids));
    cost_.push_back(cost);
    is_plain_.push_back(is_plain);
    is_cut_.push_back(false);
    chains_.emplace_back();
  }

  void try_merge(NodeId producer, NodeId consumer) {
    const int a = group_of_[at(producer)], b = group_of_[at(consumer)];
    if (a == b) return;
    std::string_view why = merge_problem(a, b, are_plain(a, b));
    if (why == is_too_large && can_be_chain(a, b)) {
      why = has_path_between(a, b) ? is_by_another_way : std::string_view{};
      if (why.empty()) return merge_chain(a, b);
    }
    if (why.empty())
      merge(a, b);
    else if (why != is_too_large || !take_end(a, b))
      cuts_.push_back({producer, consumer, why});
  }

  /// `a` has grown as large as a kernel may be and continues in `b`. Where less passes between its
  /// beginning and its end than from it to `b`, its end becomes part of `b`. So a chain of layers
  /// is cut between the same nodes of each, and its kernels are alike. False if nothing changes.
  bool take_end(int a, int b) {
    if (is_cut_[static_cast<std::size_t>(a)]) return false;
    is_cut_[static_cast<std::size_t>(a)] = true;
    const std::size_t first = narrowest(a, b);
    auto& ids = groups_[static_cast<std::size_t>(a)];
    if (first == ids.size()) return false;
    const auto middle = ids.begin() + static_cast<std::ptrdiff_t>(first);
    const std::vector<NodeId> beginning(ids.begin(), middle), end(middle, ids.end());
    const bool was_plain = is_plain_[static_cast<std::size_t>(a)];
    if (!was_plain && !(layout_problem(beginning, may_unroll_).empty() &&
                        layout_problem(end, may_unroll_).empty()))
      return false;
    ids = beginning;
    chains_[static_cast<std::size_t>(a)] = {};
    const int rest = static_cast<int>(groups_.size());
    add_group_of(end, was_plain);
    cost_[static_cast<std::size_t>(a)] -= cost_.back();
    if (merge_problem(rest, b, are_plain(rest, b)).empty()) {
      for (NodeId id : end)
        for (const Edge& e : edges_.of(id))
          if (group_of_[at(e.view.base)] == a) cuts_.push_back({e.view.base, id, is_too_large});
      merge(b, rest);
      return true;
    }
    merge(a, rest);
    is_cut_[static_cast<std::size_t>(a)] = true;
    return false;
  }

  /// How many of the first members of `a` are best left behind when `b` follows: past its middle,
  /// where the fewest arrays are read by what follows; between equal places, one where the rest
  /// begins as the group does, and of these the last.
  std::size_t narrowest(int a, int b) {
    const auto& ids = groups_[static_cast<std::size_t>(a)];
    const std::size_t n = ids.size();
    std::size_t rank = 0; // smaller values are next to nothing
    for (NodeId id : ids) rank = std::max(rank, graph_[id].type.shape.size());
    const auto weight = [&](NodeId id) {
      return graph_[id].type.shape.size() == rank ? std::size_t{16} : std::size_t{1};
    };
    // Members, and arrays that are read again: from where to where they are needed.
    std::vector<std::ptrdiff_t> change(n + 2);
    std::unordered_map<NodeId, std::pair<std::size_t, std::size_t>> spans;
    for (std::size_t i = 0; i < n; ++i) spans[ids[i]] = {i, i};
    const auto read = [&](NodeId id, std::size_t where) {
      for (const Edge& e : edges_.of(id)) {
        const NodeId base = e.view.base;
        if (graph_[base].type.shape.empty() || is_generated(base)) continue;
        if (where == n && !spans.contains(base)) continue;
        auto& span = spans.try_emplace(base, where, where).first->second;
        span.second = std::max(span.second, where);
      }
    };
    for (std::size_t i = 0; i < n; ++i) read(ids[i], i);
    for (NodeId id : groups_[static_cast<std::size_t>(b)]) read(id, n);
    for (const auto& [id, span] : spans) {
      change[span.first + 1] += static_cast<std::ptrdiff_t>(weight(id));
      change[span.second + 1] -= static_cast<std::ptrdiff_t>(weight(id));
    }
    const std::uint64_t beginning = step_of(ids[0]);
    std::size_t best = n;
    std::ptrdiff_t width = 0;
    std::vector<std::ptrdiff_t> widths(n + 1);
    for (std::size_t c = 1; c <= n; ++c) widths[c] = width += change[c];
    const auto is_alike = [&](std::size_t c) {
      return step_of(c < n ? ids[c] : groups_[static_cast<std::size_t>(b)].front()) == beginning;
    };
    for (std::size_t c = n; c-- > n / 2 + 1;)
      if (widths[c] < widths[best] || (widths[c] == widths[best] && is_alike(c) && !is_alike(best)))
        best = c;
    return best;
  }

  /// Whether it is made of positions alone, or of positions and a random state.
  bool is_generated(NodeId id) const {
    return graph_[id].op->is(ir::Kind::generator) || graph_[id].op->is(ir::Kind::random);
  }

  /// A number that nodes share if they compute the same from nodes that do.
  std::uint64_t step_of(NodeId id) {
    Form form;
    form.add(graph_, id);
    for (const Edge& e : edges_.of(id)) form.add(graph_, e.view.base);
    return form.number;
  }

  /// Whether a node is computed element by element over its own shape from arrays of that shape
  /// and from scalars.
  bool is_plain(NodeId id) {
    const ir::GraphNode& n = graph_[id];
    const auto& shape = n.type.shape;
    if (!n.op->is(ir::Kind::elementwise) || shape.empty()) return false;
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
    if (ga.size() + gb.size() > max_members) return is_too_large;
    if (cost_[static_cast<std::size_t>(a)] + cost_[static_cast<std::size_t>(b)] > max_cost)
      return is_too_large;
    if (!can_lay_out)
      if (const std::string_view why = layout_problem(joined(ga, gb), may_unroll_); !why.empty())
        return why;
    if (has_path_between(a, b)) return is_by_another_way;
    return {};
  }

  std::string_view layout_problem(const std::vector<NodeId>& ids, bool may_unroll) {
    std::string_view why;
    const auto group = lay_out(graph_, ids, edges_, may_unroll, &why);
    if (!group) return why;
    if (!draws_in_order(*group)) return "random numbers are drawn many at a time";
    return {};
  }

  /// Whether the loops walk all random numbers front to back, if there are any.
  bool draws_in_order(const Group& group) const {
    return std::ranges::all_of(group.members, [&](const Member& m) {
      if (!graph_[m.id].op->is(ir::Kind::random) || group.members.size() == 1) return true;
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
    is_cut_[static_cast<std::size_t>(a)] = false;
    chains_[static_cast<std::size_t>(a)] = {};
  }

  // Chains. Elementwise nodes of one shape that read each other element by element are a loop
  // that can be walked in pieces, however many they are. Smaller values that it reads may be
  // computed before it, and folds of it and what is made of those after it.

  /// What a node of a chain is.
  enum class Part : std::uint8_t { none, before, chain, after };

  struct Chain {
    bool is_known = false, is_one = false; ///< whether the group has been looked at, and is a chain
    bool needs_layout = false;   ///< what is before or after it may have no place in its loops
    NodeId widest = ir::no_node; ///< has the chain's shape
    /// What kernels compute and the chain reads otherwise than element by element: it stays
    /// outside.
    std::vector<NodeId> viewed;
  };

  const std::vector<NodeId>& members(int group) const {
    return groups_[static_cast<std::size_t>(group)];
  }
  Chain& chain_of(int group) { return chains_[static_cast<std::size_t>(group)]; }

  /// Whether two groups that are too large for one kernel are one chain, which `joined_` is then.
  bool can_be_chain(int a, int b) {
    const auto& ga = members(a);
    const auto& gb = members(b);
    if (!walks_pieces_ || ga.size() + gb.size() > max_chain_members) return false;
    const int large = ga.size() >= gb.size() ? a : b, small = large == a ? b : a;
    if (!chain_of(large).is_known) find_chain(large);
    const Chain& chain = chain_of(large);
    if (!chain.is_one) return false;
    if (std::ranges::any_of(chain.viewed, [&](NodeId id) { return group_of_[at(id)] == small; }))
      return false;
    chain_of(small) = {}; // its nodes' parts are those in the joined chain from here on
    joined_ = chain;
    joined_.needs_layout = false;
    if (!add_to_chain(joined_, small, large)) return false;
    return !joined_.needs_layout ||
           (!reads_after(large, small) && is_laid_out_in_loops(joined(ga, gb)));
  }

  /// What is added to a chain later may make it too large for short axes to be unrolled.
  bool is_laid_out_in_loops(const std::vector<NodeId>& ids) {
    return layout_problem(ids, false).empty();
  }

  bool reads_after(int reader, int group) {
    return std::ranges::any_of(members(reader), [&](NodeId id) {
      return std::ranges::any_of(edges_.of(id), [&](const Edge& e) {
        return group_of_[at(e.view.base)] == group && part_[at(e.view.base)] == Part::after;
      });
    });
  }

  void find_chain(int group) {
    Chain chain{.is_known = true};
    const auto width = [&](NodeId id) {
      return std::ranges::count_if(graph_[id].type.shape, [](const Dim& d) { return !d.is(1); });
    };
    for (NodeId id : members(group))
      if (graph_[id].op->is(ir::Kind::elementwise) && width(id) > 0 &&
          (chain.widest == ir::no_node || width(id) > width(chain.widest)))
        chain.widest = id;
    chain.is_one = chain.widest != ir::no_node && add_to_chain(chain, group, group) &&
                   (!chain.needs_layout || is_laid_out_in_loops(members(group)));
    chain_of(group) = std::move(chain);
  }

  /// Says of each node of `group` what it is in a chain with `other`; false if there is none.
  bool add_to_chain(Chain& chain, int group, int other) {
    return std::ranges::all_of(members(group), [&](NodeId id) {
      part_[at(id)] = part_in_chain(chain, id, group, other);
      const bool is_plain = part_[at(id)] == Part::chain || graph_[id].type.shape.empty();
      chain.needs_layout = chain.needs_layout || part_[at(id)] == Part::after || !is_plain;
      return part_[at(id)] != Part::none;
    });
  }

  Part part_in_chain(Chain& chain, NodeId id, int group, int other) {
    const ir::GraphNode& n = graph_[id];
    const bool is_fold = n.op->is_reduction();
    if (!n.op->is(ir::Kind::elementwise) && !is_fold) return Part::none;
    if (is_fold && n.op->gives_position()) return Part::none;
    const auto& over = is_fold ? graph_[n.inputs[0]].type.shape : n.type.shape;
    const bool is_wide = chain.widest != ir::no_node && !over.empty() &&
                         ir::dims::same(over, graph_[chain.widest].type.shape);
    bool reads_after = false, reads_chain = false;
    for (const Edge& e : edges_.of(id)) {
      const NodeId storage = storage_of(graph_, e.view.base);
      const int from = group_of_[at(storage)];
      const bool is_inside = from != none && (from == group || from == other);
      const Part part = is_inside ? part_[at(storage)] : Part::none;
      reads_after = reads_after || part == Part::after;
      reads_chain = reads_chain || part == Part::chain;
      const bool is_by_element = storage == e.view.base && is_same_place(e.view, over);
      if (!is_wide || is_by_element || part == Part::before) continue;
      if (is_inside) return Part::none;
      if (from != none && !is_scalar_step(storage)) chain.viewed.push_back(storage);
    }
    if (is_fold) return is_wide && !reads_after ? Part::after : Part::none;
    if (reads_after) return is_wide ? Part::none : Part::after;
    if (is_wide) return Part::chain;
    return reads_chain ? Part::none : Part::before;
  }

  bool is_scalar_step(NodeId id) const {
    return graph_[id].type.shape.empty() && graph_[id].op->is(ir::Kind::elementwise);
  }

  /// Whether a view is of each element of an array of this shape at its place.
  bool is_same_place(const View& view, std::span<const Dim> shape) const {
    if (!view.is_pure() || !ir::dims::same(graph_[view.base].type.shape, shape)) return false;
    for (std::size_t i = 0; i < shape.size(); ++i)
      if (view.axes[i].axis != static_cast<int>(i) && !shape[i].is(1)) return false;
    return true;
  }

  void merge_chain(int a, int b) {
    Chain chain = std::move(joined_);
    merge(a, b);
    chain_of(a) = std::move(chain);
  }

  /// Whether something outside both groups depends on one and is needed by the other.
  bool has_path_between(int a, int b) { return has_outside_path(a, b) || has_outside_path(b, a); }

  bool has_outside_path(int from, int to) {
    const auto& start = groups_[static_cast<std::size_t>(from)];
    const int earliest = position_[at(start.front())];
    const auto& goal = groups_[static_cast<std::size_t>(to)];
    const std::size_t most = max_visits + 4 * (start.size() + goal.size());
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
    for (std::size_t i = goal.size(); i-- > 0 && position_[at(goal[i])] > earliest;)
      visit(goal[i], false);
    while (!steps_.empty()) {
      const Step s = steps_.back();
      steps_.pop_back();
      if (visits > most) return true;
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
      if (list.size() > most_readers) {
        merge_in_pieces(base, list);
        continue;
      }
      const int first = group_of_[at(list[0])];
      for (NodeId reader : list) try_merge_siblings(first, group_of_[at(reader)]);
    }
  }

  bool try_merge_siblings(int a, int b) {
    if (a == b || !merge_problem(a, b, are_plain(a, b)).empty()) return false;
    merge(a, b);
    return true;
  }

  /// Readers of an array that are too many for one kernel become several, each with as many readers
  /// as one may have. Kernels that are alike stand together, so that the results are alike too, and
  /// are compiled once. Of readers that wait for other steps' arrays only the first are joined: the
  /// others would keep those arrays alive.
  void merge_in_pieces(NodeId base, const std::vector<NodeId>& list) {
    struct Reader {
      int group;
      std::uint64_t form;
      std::size_t nodes;
    };
    std::vector<Reader> readers;
    std::unordered_map<int, std::size_t> known;
    int first_waiting = none;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const int group = group_of_[at(list[i])];
      if (const auto it = known.find(group); it != known.end()) {
        ++readers[it->second].nodes;
      } else if (reads_little_but(base, group)) {
        known.emplace(group, readers.size());
        readers.push_back({group, form_of(group), 1});
      } else if (i < most_readers) {
        if (first_waiting == none) first_waiting = group;
        try_merge_siblings(first_waiting, group);
      }
    }
    if (readers.empty()) return;
    std::ranges::stable_sort(readers, {}, &Reader::form);
    Reader piece = readers.front();
    for (const Reader& r : std::span(readers).subspan(1))
      if (piece.nodes + r.nodes <= most_readers && try_merge_siblings(piece.group, r.group))
        piece.nodes += r.nodes;
      else
        piece = r;
  }

  /// Whether what a group computes and what it reads of other steps is no larger than `base`, by
  /// rank, but for leaves, which are there anyway.
  bool reads_little_but(NodeId base, int group) {
    const std::size_t rank = graph_[base].type.shape.size();
    const auto is_little = [&](NodeId id) {
      const NodeId storage = storage_of(graph_, id);
      return id == base || group_of_[at(id)] == group || graph_[storage].is_leaf() ||
             is_generated(id) || graph_[id].type.shape.size() < rank;
    };
    return std::ranges::all_of(groups_[static_cast<std::size_t>(group)], [&](NodeId id) {
      const ir::GraphNode& n = graph_[id];
      if (n.type.shape.size() > rank) return false;
      if (n.op->is(ir::Kind::gather)) return false;
      return std::ranges::all_of(edges_.of(id),
                                 [&](const Edge& e) { return is_little(e.view.base); });
    });
  }

  /// A number that groups share if they compute the same of whatever arrays and constants.
  std::uint64_t form_of(int group) {
    Form form;
    const auto& ids = groups_[static_cast<std::size_t>(group)];
    const auto position = [&](NodeId id) { return position_[at(id)]; };
    for (NodeId id : ids) {
      form.add(graph_, id);
      for (const Edge& e : edges_.of(id))
        if (group_of_[at(e.view.base)] == group)
          form.add(static_cast<std::uint64_t>(
              std::ranges::lower_bound(ids, position(e.view.base), {}, position) - ids.begin()));
        else
          form.add(graph_, e.view.base);
    }
    return form.number;
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
      auto group = lay_out(graph_, ids, edges_, may_unroll_, &why);
      KROTON_CHECK(group, "{} alone cannot be laid out: {}", graph_[ids.front()].op->name, why);
      fusion.groups.push_back(std::move(*group));
      for (NodeId id : ids) edges_.forget(id);
    }
    fusion.cuts = std::move(cuts_);
    return fusion;
  }

  const Graph& graph_;
  const bool may_unroll_;
  EdgeCache edges_{graph_};
  const std::vector<NodeId>& order_;
  const bool walks_pieces_;
  std::vector<int> position_;               ///< of each node in `order_`
  std::vector<int> group_of_;               ///< of each node, or `none`
  std::vector<std::vector<NodeId>> groups_; ///< sorted by position; empty once merged away
  std::vector<int> cost_;
  std::vector<bool> is_plain_; ///< of each group: see are_plain
  std::vector<bool> is_cut_;   ///< of each group: it is full, and keeps the end that it has
  std::vector<Chain> chains_;  ///< of each group, once it has been asked for
  std::vector<Part> part_;     ///< of each node of a known chain
  Chain joined_;               ///< see can_be_chain
  std::vector<Cut> cuts_;

  /// A node that has_outside_path has reached, and whether another kernel is on the way.
  struct Step {
    NodeId id;
    bool left;
  };
  std::vector<Step> steps_;
  std::vector<std::array<int, 2>> seen_; ///< the last walk that reached each node, by Step::left
  int walk_ = 0;
};

} // namespace

Fusion fuse(const Graph& graph, const std::vector<NodeId>& order, bool one_each, bool may_unroll,
            bool walks_pieces) {
  return Fuser(graph, order, may_unroll, walks_pieces).run(one_each);
}

} // namespace kroton::plan
