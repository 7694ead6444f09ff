#include "lib/ir/graph.hpp"

#include <algorithm>

#include "lib/ir/dim_normal.hpp"

namespace kroton::ir {
namespace {

/// Dims that are replaced on the way to one that stands for another. Each is replaced by a smaller
/// or an older one, so that there is an end; the bound is for what normal forms make of them
/// between.
constexpr int most_replacements = 64;
/// How often requirements are gone through again because one made the dims of another equal.
constexpr int most_rounds = 4;

bool is_symbol(const Dim& d) {
  return !d.is_static() && (d.node()->kind == DimKind::symbol || d.node()->kind == DimKind::scalar);
}

/// How many terms a dim is made of.
int parts_of(const Dim& d) {
  const bool is_one = d.is_static() || is_symbol(d) || d.node()->kind == DimKind::negative;
  return is_one ? 1 : 1 + parts_of(d.node()->a) + parts_of(d.node()->b);
}

/// Of two equal dims, the one to keep: a number, then a name, then whatever is made of less, then
/// whichever came first.
bool is_better(const Dim& a, const Dim& b) {
  auto rank = [](const Dim& d) {
    return d.is_static() ? 0 : is_symbol(d) ? (d.node()->name.empty() ? 2 : 1) : 2 + parts_of(d);
  };
  return rank(a) < rank(b);
}

/// Only a dim that is not part of what it becomes can be replaced by it.
bool occurs_in(const Dim& symbol, const Dim& d) {
  bool occurs = false;
  dims::for_each_leaf(d, [&](const Dim& leaf) { occurs = occurs || dims::same(leaf, symbol); });
  return occurs;
}

/// Whether an argument of a call tells it.
bool is_size_of_input(const Dim& symbol, std::span<const Expr* const> order) {
  return symbol.node()->kind == DimKind::scalar || std::ranges::any_of(order, [&](const Expr* e) {
           return e->node()->op->is(Kind::leaf) &&
                  std::ranges::any_of(e->shape(),
                                      [&](const Dim& d) { return dims::same(d, symbol); });
         });
}

/// Puts the dims of a graph in the place of those that they stand for.
class Canonical : public FieldEditor {
public:
  explicit Canonical(const Graph& graph) : graph_(graph) {}

  void edit(Dim& value) override { value = graph_.canonical(value); }
  void edit(DimList& value) override { value = graph_.canonical(value); }
  void edit(bool&) override {}
  void edit(std::int64_t&) override {}
  void edit(Ints&) override {}
  void edit(DType&) override {}
  void edit(Scalar&) override {}
  void edit(Draw&) override {}
  void edit(InputIdentity&) override {}
  void edit(SharedIdentity&) override {}
  void edit(ArrayIdentity&) override {}

private:
  const Graph& graph_;
};

} // namespace

Dim Graph::in_sizes(const Dim& d) const {
  if (d.is_static() || dim_of_.empty()) return d;
  return dims::substitute(d, [this](const Dim& leaf) {
    Dim at = leaf;
    for (auto it = dim_of_.find(at); it != dim_of_.end(); it = dim_of_.find(at)) at = it->second;
    return is_symbol(at) || at.is_static() ? at : in_sizes(at);
  });
}

Dim Graph::canonical(const Dim& d) const {
  if (equal_to_.empty()) return in_sizes(d);
  int fuel = most_replacements;
  return canonical(d, fuel);
}

Dim Graph::canonical(const Dim& d, int& fuel) const {
  if (d.is_static() || d.node()->kind == DimKind::negative) return d;
  const DimNode& n = *d.node();
  Dim made = d;
  if (is_symbol(d)) {
    const auto it = dim_of_.find(d);
    return it == dim_of_.end() || --fuel < 0 ? d : canonical(it->second, fuel);
  }
  const Dim a = canonical(n.a, fuel), b = canonical(n.b, fuel);
  const bool has_changed = !dims::same(a, n.a) || !dims::same(b, n.b);
  if (has_changed) made = dims::normal(dims::combine(n.kind, a, b));
  const auto it = equal_to_.find(made);
  return it == equal_to_.end() || --fuel < 0 ? made : canonical(it->second, fuel);
}

DimList Graph::canonical(const DimList& shape) const {
  if (dim_of_.empty() && equal_to_.empty()) return shape;
  std::vector<Dim> dims;
  bool has_changed = false;
  for (const Dim& d : shape) {
    dims.push_back(canonical(d));
    has_changed = has_changed || !dims::same(d, dims.back());
  }
  return has_changed ? DimList(std::move(dims)) : shape;
}

Type Graph::canonical(Type type) const {
  if (type.is_array()) {
    type.shape = canonical(type.shape);
    return type;
  }
  std::vector<Type> parts;
  for (const Type& part : *type.parts) parts.push_back(canonical(part));
  return type_of_parts(std::move(parts));
}

Params Graph::canonical(const Params& params) const {
  if ((dim_of_.empty() && equal_to_.empty()) || !params.has_unknown_dims()) return params;
  Canonical editor(*this);
  Params edited = params.edited(editor);
  return same(edited, params) ? params : edited;
}

/// Lets one dim stand for two that are required to be equal; false if it does already.
bool Graph::make_equal(Dim a, Dim b, std::span<const Expr* const> order) {
  a = canonical(a);
  b = canonical(b);
  if (dims::same(a, b)) return false;
  if (is_better(b, a)) std::swap(a, b);
  if (b.is_static()) return false; // two numbers, which no call passes
  if (is_symbol(b) && !occurs_in(b, a)) return dim_of_.emplace(b, a).second;
  // There is no other way to know it.
  if (is_symbol(a) && !is_symbol(b) && !occurs_in(a, b) && !is_size_of_input(a, order))
    return dim_of_.emplace(a, b).second;
  if (is_symbol(b)) return false;
  return equal_to_.emplace(b, a).second;
}

void Graph::unify(std::span<const Expr* const> order, Unify unify) {
  may_assume_ = unify == Unify::assumed;
  for (const Expr* e : order)
    for (const Constraint& c : e->node()->constraints)
      if (!c.is_assumed || unify == Unify::assumed) checks_.push_back({c, *e});
  bool is_new = true;
  for (int round = 0; is_new && round < most_rounds; ++round) {
    is_new = false;
    for (const DimCheck& c : checks_)
      is_new = make_equal(c.constraint.a, c.constraint.b, order) || is_new;
    is_new = is_new && !equal_to_.empty();
  }
}

bool Graph::assume_equal(const Dim& a, const Dim& b) {
  if (!may_assume_) return false;
  const auto is_known = [&](const DimCheck& c) {
    return c.constraint.is_assumed && dims::same(c.constraint.a, a) &&
           dims::same(c.constraint.b, b);
  };
  if (std::ranges::none_of(checks_, is_known))
    checks_.push_back({{.a = a, .b = b, .what = {}, .is_assumed = true}, Expr(nullptr)});
  return true;
}

Graph Graph::capture(std::span<const Expr> outputs, Unify unify, std::span<const DimValue> sizes) {
  Graph g;
  for (const DimValue& s : sizes) g.dim_of_.emplace(s.dim, Dim(s.value));
  const auto order = topological_handles(outputs);

  if (unify != Unify::nothing) g.unify(order, unify);

  g.captured_.reserve(order.size());
  for (const Expr* e : order) {
    const Node* n = e->node().get();
    NodeIds inputs;
    for (const Expr& i : n->inputs) inputs.push_back(*g.captured_.find(i.node().get()));
    const NodeId id = g.add(*n->op, std::move(inputs), g.canonical(n->params), n->where);
    if (!n->name.empty() && g[id].name.empty())
      g.nodes_[static_cast<std::size_t>(id)].name = n->name;
    g.captured_.emplace(n, id);
    if (n->op->is(Kind::leaf)) g.leaves_.emplace(id, *e);
  }
  for (const Expr& e : outputs) g.outputs_.push_back(*g.captured_.find(e.node().get()));
  return g;
}

std::size_t Graph::key_of(const GraphNode& n) const {
  std::size_t h = reinterpret_cast<std::uintptr_t>(n.op) >> 4;
  for (NodeId i : n.inputs) h = (h ^ static_cast<std::size_t>(i)) * 0x100000001B3ull;
  return h ^ hash(n.params);
}

bool Graph::equal(const GraphNode& a, const GraphNode& b) const {
  return a.op == b.op && a.inputs == b.inputs && same(a.params, b.params);
}

NodeId Graph::find_equal(std::size_t key, const GraphNode& node, NodeId except) const {
  return by_key_.find(key,
                      [&](NodeId other) { return other != except && equal((*this)[other], node); });
}

NodeId Graph::insert(GraphNode node) {
  const auto id = static_cast<NodeId>(nodes_.size());
  for (NodeId i : node.inputs) nodes_[static_cast<std::size_t>(i)].users.push_back(id);
  nodes_.push_back(std::move(node));
  return id;
}

NodeId Graph::add(const Op& op, NodeIds inputs, Params params, Location where) {
  GraphNode node;
  node.op = &op;
  node.inputs = std::move(inputs);
  for (NodeId& i : node.inputs) i = resolve(i);
  node.params = std::move(params);
  const std::size_t key = key_of(node);
  if (const NodeId found = find_equal(key, node, no_node); found != no_node) return found;
  support::SmallVector<const Type*, 4> types;
  for (NodeId i : node.inputs) types.push_back(&(*this)[i].type);
  std::vector<Constraint> implied; // by those captured: rewrites keep shapes
  InferContext context{op, types, node.params, {}, where, implied};
  node.type = infer_type(context);
  node.type = canonical(node.type);
  node.where = where;
  const NodeId id = insert(std::move(node));
  by_key_.insert(key, id);
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
    by_key_.erase(key_of(old_node), old_id);
    old_node.replaced_by = new_id;
    const NodeIds users = std::move(old_node.users);
    for (NodeId& o : outputs_)
      if (o == old_id) o = new_id;
    for (NodeId user : users) {
      GraphNode& u = nodes_[static_cast<std::size_t>(user)];
      if (u.replaced_by != no_node || std::ranges::find(u.inputs, old_id) == u.inputs.end())
        continue;
      by_key_.erase(key_of(u), user);
      for (NodeId& i : u.inputs)
        if (i == old_id) {
          i = new_id;
          nodes_[static_cast<std::size_t>(new_id)].users.push_back(user);
        }
      const std::size_t key = key_of(u);
      if (const NodeId twin = find_equal(key, u, user); twin != no_node) {
        by_key_.insert(key, user); // so that the merge finds it to forget
        pending.emplace_back(user, twin);
      } else {
        by_key_.insert(key, user);
      }
      if (changed) changed->push_back(user);
    }
  }
}

NodeId Graph::find(const Expr& e) const {
  const NodeId* id = captured_.find(e.node().get());
  return id && *id != no_node ? resolve(*id) : no_node;
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
  std::vector<Expr> made(nodes_.size(), Expr(nullptr));
  auto expr_of = [&](NodeId id) -> Expr& { return made[static_cast<std::size_t>(id)]; };
  for (NodeId id : order(ids)) {
    const GraphNode& n = (*this)[id];
    if (const auto leaf = leaves_.find(id); leaf != leaves_.end()) {
      expr_of(id) = leaf->second;
      continue;
    }
    Exprs inputs;
    for (NodeId i : n.inputs) inputs.push_back(expr_of(i));
    expr_of(id) = make(*n.op, std::move(inputs), n.params, n.where);
  }
  std::vector<Expr> result;
  for (NodeId id : ids) result.push_back(expr_of(id));
  return result;
}

void Graph::compact() {
  const std::vector<NodeId> live = order();
  std::vector<NodeId> number(nodes_.size(), no_node); // of each node among the live ones
  for (std::size_t i = 0; i < live.size(); ++i)
    number[static_cast<std::size_t>(live[i])] = static_cast<NodeId>(i);
  auto renumber = [&](NodeId& id) { id = number[static_cast<std::size_t>(id)]; };
  captured_.for_each([&](const Node*, NodeId& id) {
    if (id != no_node) renumber(id = resolve(id));
  });
  for (NodeId& o : outputs_) renumber(o);
  std::unordered_map<NodeId, Expr> leaves;
  for (auto& [id, leaf] : leaves_)
    if (const NodeId now = number[static_cast<std::size_t>(id)]; now != no_node)
      leaves.emplace(now, std::move(leaf));
  leaves_ = std::move(leaves);
  nodes_.gather({live.begin(), live.end()});
  by_key_ = {};
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    GraphNode& n = nodes_[i];
    n.users.clear();
    for (NodeId& input : n.inputs) {
      renumber(input);
      nodes_[static_cast<std::size_t>(input)].users.push_back(static_cast<NodeId>(i));
    }
    by_key_.insert(key_of(n), static_cast<NodeId>(i));
  }
}

} // namespace kroton::ir
