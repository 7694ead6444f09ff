#include "lib/rewrite/engine.hpp"

#include <algorithm>

#include "lib/ops/table.hpp"

namespace kroton::rewrite {
namespace {

/// A node may be replaced and its replacement replaced again this often, and twice more for each
/// node of the graph: a rule may move an op down a whole chain, one step at a time.
constexpr int max_generation = 1000;
/// Users that are tried again after one change; the last sweep finds the rest.
constexpr std::size_t max_requeued = 64;

std::size_t at(NodeId id) { return static_cast<std::size_t>(id); }

bool is_granted(const Rule& r, const EngineOptions& o) {
  if (r.is_needed) return true;
  if (o.minimal || !grants(o.fp, r.fp)) return false;
  return r.liberty != Liberty::contraction || o.contract;
}

} // namespace

Engine::Engine(ir::Graph& graph, const EngineOptions& options) : graph_(graph), options_(options) {
  limit_ = max_generation + 2 * static_cast<int>(graph_.numel());
  grow();
  for (NodeId id : graph_.outputs()) retain(id, 1);
}

void Engine::grow() {
  const std::size_t n = graph_.numel();
  uses_.resize(n, 0);
  is_queued_.resize(n, 0);
  generation_.resize(n, 0);
  made_by_.resize(n, nullptr);
}

void Engine::retain(NodeId id, int count) {
  std::vector<std::pair<NodeId, int>> stack{{id, count}};
  while (!stack.empty()) {
    const auto [n, more] = stack.back();
    stack.pop_back();
    const bool was_dead = uses_[at(n)] == 0;
    uses_[at(n)] += more;
    if (!was_dead) continue;
    for (NodeId i : graph_[n].inputs) stack.emplace_back(i, 1);
  }
}

/// Takes every use from `id`: its inputs lose one each.
void Engine::release(NodeId id) {
  if (uses_[at(id)] == 0) return;
  uses_[at(id)] = 0;
  std::vector<NodeId> dead{id};
  while (!dead.empty()) {
    const NodeId n = dead.back();
    dead.pop_back();
    for (NodeId i : graph_[n].inputs)
      if (--uses_[at(i)] == 0)
        dead.push_back(i);
      else if (uses_[at(i)] == 1)
        enqueue_users(i); // a rule may have waited for this
  }
}

void Engine::enqueue(NodeId id) {
  if (is_queued_[at(id)] || uses_[at(id)] == 0) return;
  is_queued_[at(id)] = 1;
  queue_.push_back(id);
}

void Engine::enqueue_users(NodeId id) {
  std::vector<NodeId> level{id}, next;
  std::size_t total = 0;
  for (int d = 1; d < depth_ && !level.empty(); ++d) {
    for (NodeId n : level)
      for (NodeId user : graph_[n].users) {
        if (graph_[user].replaced_by != ir::no_node || uses_[at(user)] == 0) continue;
        if (++total > max_requeued) return;
        enqueue(user);
        next.push_back(user);
      }
    level.swap(next);
    next.clear();
  }
}

Engine::Index Engine::index(std::span<const Rule* const> rules) {
  Index result;
  counts_.reserve(counts_.size() + rules.size());
  for (const Rule* r : rules)
    if (is_granted(*r, options_) && count_of_.try_emplace(r, counts_.size()).second)
      counts_.push_back({r->name});
  depth_ = 2;
  for (const Rule* r : rules) {
    if (!is_granted(*r, options_)) continue;
    const Entry entry{r, &counts_[count_of_.at(r)]};
    depth_ = std::max(depth_, depth(r->from));
    if (r->from.kind == Pattern::Kind::op) {
      result[r->from.op].push_back(entry);
      continue;
    }
    KROTON_CHECK(r->from.kind == Pattern::Kind::any_of_kind, "rule {} matches every node", r->name);
    for (const ir::Op* op : ops::all())
      if (op->is(r->from.op_kind)) result[op].push_back(entry);
  }
  return result;
}

bool Engine::run(std::span<const Rule* const> rules) {
  const Index by_op = index(rules);
  bool changed = false;
  for (bool swept_clean = false; !swept_clean && !is_exhausted();) {
    swept_clean = true;
    std::vector<NodeId> order = graph_.order();
    queue_.assign(order.rbegin(), order.rend()); // a stack: inputs come off before users
    std::ranges::fill(is_queued_, 0);
    for (NodeId id : queue_) is_queued_[at(id)] = 1;
    while (!queue_.empty() && !is_exhausted()) {
      const NodeId id = queue_.back();
      queue_.pop_back();
      is_queued_[at(id)] = 0;
      if (uses_[at(id)] == 0 || graph_[id].replaced_by != ir::no_node) continue;
      if (visit(id, by_op)) {
        swept_clean = false;
        changed = true;
      }
    }
  }
  return changed;
}

bool Engine::visit(NodeId id, const Index& index) {
  const auto rules = index.find(graph_[id].op);
  if (rules == index.end()) return false;
  for (const Entry& entry : rules->second) {
    ++entry.count->tries;
    for (const Pattern& variant : entry.rule->variants) {
      Bound bound;
      std::ranges::fill(bound.nodes, ir::no_node);
      if (!match(graph_, variant, id, uses_, bound)) continue;
      if (options_.is_timed ? apply_timed(id, entry, bound) : apply(id, entry, bound)) return true;
    }
  }
  return false;
}

bool Engine::apply(NodeId id, const Entry& entry, const Bound& bound) {
  const Rule& rule = *entry.rule;
  Site site(graph_, rule, id, bound, uses_);
  NodeId to = instantiate(rule, site);
  bool is_hit = to != ir::no_node && (to = graph_.resolve(to)) != id;
  if (is_hit) {
    const ir::Type& want = graph_[id].type;
    KROTON_CHECK(graph_[to].type.dtype == want.dtype, "rule {} turned {} into {}", rule.name,
                 want.to_string(), graph_[to].type.to_string());
    if (!ir::dims::same(graph_[to].type.shape, want.shape)) {
      // An operand that was left out may have given the shape.
      KROTON_CHECK(graph_[to].type.rank() <= want.rank(), "rule {} turned {} into {}", rule.name,
                   want.to_string(), graph_[to].type.to_string());
      to = site.broadcast(to, want.shape);
      is_hit = to != id;
    }
  }
  if (is_hit) {
    applications_.push_back({rule.name, graph_[id].op->name, graph_[id].where, rule.fp});
    ++entry.count->hits;
    replace(id, to, rule);
  }
  return is_hit;
}

bool Engine::apply_timed(NodeId id, const Entry& entry, const Bound& bound) {
  const auto start = std::chrono::steady_clock::now();
  const bool is_hit = apply(id, entry, bound);
  entry.count->ns +=
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start)
          .count();
  return is_hit;
}

void Engine::replace(NodeId from, NodeId to, const Rule& rule) {
  const std::size_t first_new = uses_.size();
  grow();
  const int generation = generation_[at(from)] + 1;
  if (generation > limit_) {
    const std::string_view other = made_by_[at(from)] ? made_by_[at(from)]->name : rule.name;
    support::fail<InternalError>("rewrite",
                                 {.place = support::describe(graph_[from].where),
                                  .hint = "one of them must refuse what the other makes"},
                                 "rules {} and {} undo each other at {} {}", other, rule.name,
                                 graph_[from].op->name, graph_[from].type.to_string());
  }
  for (std::size_t i = first_new; i < uses_.size(); ++i) {
    generation_[i] = generation;
    made_by_[i] = &rule;
  }
  std::vector<NodeId> changed;
  retain(to, uses_[at(from)]);
  graph_.replace(from, to, &changed);
  release(from);
  // Users that became equal to other nodes were merged into them; their uses move along.
  for (NodeId user : changed) {
    if (graph_[user].replaced_by == ir::no_node || uses_[at(user)] == 0) continue;
    retain(graph_.resolve(user), uses_[at(user)]);
    release(user);
  }
  for (NodeId user : changed) {
    const NodeId now = graph_.resolve(user);
    enqueue(now);
    enqueue_users(now);
  }
  enqueue(graph_.resolve(to));
  for (std::size_t i = uses_.size(); i-- > first_new;) enqueue(static_cast<NodeId>(i));
}

} // namespace kroton::rewrite
