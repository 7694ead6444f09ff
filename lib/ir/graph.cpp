#include "lib/ir/graph.hpp"

#include <algorithm>

namespace kroton::ir {
namespace {

bool is_symbol(const Dim& d) {
  return !d.is_static() && (d.node()->kind == DimKind::symbol || d.node()->kind == DimKind::scalar);
}

/// Of two equal dims, the one to keep: a number, then a name, then whichever came first.
bool is_better(const Dim& a, const Dim& b) {
  auto rank = [](const Dim& d) {
    return d.is_static() ? 0 : is_symbol(d) ? (d.node()->name.empty() ? 2 : 1) : 3;
  };
  return rank(a) < rank(b);
}

} // namespace

Dim Graph::canonical(const Dim& d) const {
  if (d.is_static() || dim_of_.empty()) return d;
  return dims::substitute(d, [this](const Dim& leaf) {
    Dim at = leaf;
    for (auto it = dim_of_.find(at); it != dim_of_.end(); it = dim_of_.find(at)) at = it->second;
    return is_symbol(at) || at.is_static() ? at : canonical(at);
  });
}

Graph Graph::capture(std::span<const Expr> outputs, Unify unify, std::span<const DimValue> sizes) {
  Graph g;
  for (const DimValue& s : sizes) g.dim_of_.emplace(s.dim, Dim(s.value));
  const auto order = topological_order(outputs);
  std::unordered_map<const Node*, Expr> handles; // to keep culprits and leaves alive
  for (const Expr& e : outputs) handles.emplace(e.node().get(), e);
  for (const Node* n : order)
    for (const Expr& e : n->inputs) handles.emplace(e.node().get(), e);

  if (unify != Unify::nothing) {
    for (const Node* n : order) {
      for (const Constraint& c : n->constraints) {
        if (c.is_assumed && unify != Unify::assumed) continue;
        g.checks_.push_back({c, handles.at(n)});
        Dim a = g.canonical(c.a), b = g.canonical(c.b);
        if (dims::same(a, b)) continue;
        if (is_better(b, a)) std::swap(a, b);
        // Only a dim that is not part of what it becomes can be replaced by it.
        bool occurs = false;
        dims::for_each_leaf(a, [&](const Dim& leaf) { occurs = occurs || dims::same(leaf, b); });
        if (is_symbol(b) && !occurs) g.dim_of_.emplace(b, a);
      }
    }
  }

  for (const Node* n : order) {
    std::vector<NodeId> inputs;
    inputs.reserve(n->inputs.size());
    for (const Expr& e : n->inputs) inputs.push_back(g.captured_.at(e.node().get()));
    Attrs attrs = n->attrs;
    for (Dim& d : attrs.dims) d = g.canonical(d);
    const NodeId id = g.add(*n->op, std::move(inputs), std::move(attrs), n->where);
    if (!n->name.empty() && g.nodes_[static_cast<std::size_t>(id)].name.empty())
      g.nodes_[static_cast<std::size_t>(id)].name = n->name;
    g.captured_.emplace(n, id);
    if (n->op->has(Trait::leaf)) g.leaves_.emplace(id, handles.at(n));
  }
  for (const Expr& e : outputs) g.outputs_.push_back(g.captured_.at(e.node().get()));
  return g;
}

std::size_t Graph::key_of(const GraphNode& n) const {
  std::size_t h = reinterpret_cast<std::uintptr_t>(n.op) >> 4;
  for (NodeId i : n.inputs) h = (h ^ static_cast<std::size_t>(i)) * 0x100000001B3ull;
  return h ^ hash(n.attrs);
}

bool Graph::equal(const GraphNode& a, const GraphNode& b) const {
  return a.op == b.op && a.inputs == b.inputs && same(a.attrs, b.attrs);
}

NodeId Graph::find_equal(std::size_t key, const GraphNode& node, NodeId except) const {
  const auto [first, last] = by_key_.equal_range(key);
  for (auto it = first; it != last; ++it)
    if (it->second != except && equal((*this)[it->second], node)) return it->second;
  return no_node;
}

void Graph::forget(std::size_t key, NodeId id) {
  const auto [first, last] = by_key_.equal_range(key);
  for (auto it = first; it != last; ++it)
    if (it->second == id) {
      by_key_.erase(it);
      return;
    }
}

NodeId Graph::insert(GraphNode node) {
  const auto id = static_cast<NodeId>(nodes_.size());
  for (NodeId i : node.inputs) nodes_[static_cast<std::size_t>(i)].users.push_back(id);
  nodes_.push_back(std::move(node));
  return id;
}

NodeId Graph::add(const Op& op, std::vector<NodeId> inputs, Attrs attrs, Location where) {
  GraphNode node;
  node.op = &op;
  node.inputs = std::move(inputs);
  for (NodeId& i : node.inputs) i = resolve(i);
  node.attrs = std::move(attrs);
  const std::size_t key = key_of(node);
  if (const NodeId found = find_equal(key, node, no_node); found != no_node) return found;
  std::vector<const Type*> types;
  for (NodeId i : node.inputs) types.push_back(&(*this)[i].type);
  std::vector<Constraint> implied; // by those captured: rewrites keep shapes
  InferContext context{op, types, node.attrs, {}, where, implied};
  node.type = op.infer(context);
  for (Dim& d : node.type.shape) d = canonical(d);
  node.where = where;
  const NodeId id = insert(std::move(node));
  by_key_.emplace(key, id);
  return id;
}

NodeId Graph::resolve(NodeId id) const {
  while ((*this)[id].replaced_by != no_node) id = (*this)[id].replaced_by;
  return id;
}

void Graph::replace(NodeId from, NodeId to, std::vector<NodeId>* changed) {
  std::vector<std::pair<NodeId, NodeId>> pending{{from, to}};
  while (!pending.empty()) {
    auto [old_id, new_id] = pending.back();
    pending.pop_back();
    old_id = resolve(old_id);
    new_id = resolve(new_id);
    if (old_id == new_id) continue;
    GraphNode& old_node = nodes_[static_cast<std::size_t>(old_id)];
    forget(key_of(old_node), old_id);
    old_node.replaced_by = new_id;
    std::vector<NodeId> users = std::move(old_node.users);
    old_node.users.clear();
    for (NodeId& o : outputs_)
      if (o == old_id) o = new_id;
    for (NodeId user : users) {
      GraphNode& u = nodes_[static_cast<std::size_t>(user)];
      if (u.replaced_by != no_node || std::ranges::find(u.inputs, old_id) == u.inputs.end())
        continue;
      forget(key_of(u), user);
      for (NodeId& i : u.inputs)
        if (i == old_id) {
          i = new_id;
          nodes_[static_cast<std::size_t>(new_id)].users.push_back(user);
        }
      const std::size_t key = key_of(u);
      if (const NodeId twin = find_equal(key, u, user); twin != no_node) {
        by_key_.emplace(key, user); // so that the merge finds it to forget
        pending.emplace_back(user, twin);
      } else {
        by_key_.emplace(key, user);
      }
      if (changed) changed->push_back(user);
    }
  }
}

NodeId Graph::find(const Expr& e) const {
  const auto it = captured_.find(e.node().get());
  return it == captured_.end() ? no_node : resolve(it->second);
}

std::vector<NodeId> Graph::order() const { return order(outputs_); }

std::vector<NodeId> Graph::order(std::span<const NodeId> roots) const {
  std::vector<NodeId> result;
  std::vector<bool> seen(nodes_.size(), false);
  std::vector<std::pair<NodeId, std::size_t>> stack;
  for (NodeId root : roots) {
    if (seen[static_cast<std::size_t>(root)]) continue;
    seen[static_cast<std::size_t>(root)] = true;
    stack.emplace_back(root, 0);
    while (!stack.empty()) {
      auto& [id, next] = stack.back();
      const GraphNode& n = (*this)[id];
      if (next < n.inputs.size()) {
        const NodeId input = n.inputs[next++];
        if (!seen[static_cast<std::size_t>(input)]) {
          seen[static_cast<std::size_t>(input)] = true;
          stack.emplace_back(input, 0);
        }
      } else {
        result.push_back(id);
        stack.pop_back();
      }
    }
  }
  return result;
}

std::vector<Expr> Graph::to_exprs(std::span<const NodeId> ids) const {
  std::unordered_map<NodeId, Expr> made;
  for (NodeId id : order(ids)) {
    const GraphNode& n = (*this)[id];
    if (const auto leaf = leaves_.find(id); leaf != leaves_.end()) {
      made.emplace(id, leaf->second);
      continue;
    }
    std::vector<Expr> inputs;
    for (NodeId i : n.inputs) inputs.push_back(made.at(i));
    made.emplace(id, make(*n.op, std::move(inputs), n.attrs, n.where));
  }
  std::vector<Expr> result;
  for (NodeId id : ids) result.push_back(made.at(id));
  return result;
}

Graph Graph::compact() const {
  Graph g;
  g.checks_ = checks_;
  g.dim_of_ = dim_of_;
  std::unordered_map<NodeId, NodeId> number;
  for (NodeId id : order()) {
    GraphNode n = (*this)[id];
    n.users.clear();
    for (NodeId& i : n.inputs) i = number.at(i);
    const std::size_t key = g.key_of(n);
    const NodeId made = g.insert(std::move(n));
    g.by_key_.emplace(key, made);
    number.emplace(id, made);
    if (const auto leaf = leaves_.find(id); leaf != leaves_.end())
      g.leaves_.emplace(made, leaf->second);
  }
  for (NodeId o : outputs_) g.outputs_.push_back(number.at(o));
  for (const auto& [node, id] : captured_)
    if (const auto it = number.find(resolve(id)); it != number.end())
      g.captured_.emplace(node, it->second);
  return g;
}

} // namespace kroton::ir
