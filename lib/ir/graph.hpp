#pragma once
/// The compiler's form of a program: nodes by number, merged when equal, changed by rewrites.
///
///   Graph g = Graph::capture(outputs);
///   NodeId sum = g.add(ops::add, {a, b}, {}, where);  // gives the equal node if there is one
///   g.replace(old_id, sum);                           // everywhere, outputs included
///   for (NodeId id : g.order()) …                     // live nodes, inputs before users
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "lib/ir/node_table.hpp"
#include "lib/ir/op.hpp"
#include "lib/support/chunked_vector.hpp"
#include "lib/support/flat_map.hpp"

namespace kroton::ir {

/// The operands or users of a node.
using NodeIds = support::SmallVector<NodeId, 4>;

struct GraphNode {
  const Op* op = nullptr;
  NodeIds inputs;
  Params params;
  Type type;
  Location where;
  std::string name; ///< leaves only
  NodeIds users;    ///< may hold a user once for each use
  NodeId replaced_by = no_node;

  bool is_leaf() const { return op->is(Kind::leaf); }
};

/// A run-time check that two dims are equal, and the expression that asked for it.
struct DimCheck {
  Constraint constraint; ///< in the inputs' own dims
  Expr culprit;
};

/// A size that a graph is captured for.
struct DimValue {
  Dim dim; ///< a symbol
  std::int64_t value;
};

class Graph {
public:
  /// The graph of `outputs`. Dims that some op requires to be equal become one dim
  /// everywhere (`checks()` says which).
  enum class Unify {
    nothing,  ///< dims stay as they are
    required, ///< what ops require
    assumed,  ///< also what is worth assuming
  };
  /// Each dim in `sizes` becomes its value everywhere.
  static Graph capture(std::span<const Expr> outputs, Unify unify = Unify::assumed,
                       std::span<const DimValue> sizes = {});

  /// The node of `op`, an existing one if there is an equal one. References to other nodes stay
  /// valid.
  NodeId add(const Op& op, NodeIds inputs, Params params, Location where);
  /// Makes every user of `from` use `to` instead; users that become equal to others are merged.
  /// `changed`, if given, receives the nodes whose inputs changed.
  void replace(NodeId from, NodeId to, std::vector<NodeId>* changed = nullptr);

  const GraphNode& operator[](NodeId id) const { return nodes_[static_cast<std::size_t>(id)]; }
  /// Where `id` went if it was replaced.
  NodeId resolve(NodeId id) const;
  std::size_t numel() const { return nodes_.size(); }

  const std::vector<NodeId>& outputs() const { return outputs_; }
  void set_output(std::size_t i, NodeId id) { outputs_[i] = resolve(id); }
  /// The graph's node of an expression that was captured; no_node if it was not reached.
  NodeId find(const Expr& e) const;
  const std::vector<DimCheck>& checks() const { return checks_; }
  /// Lets what follows rely on two dims being equal, which ops do not require: a call where they
  /// are not runs a version that assumes nothing. False if this graph is for such a version.
  bool assume_equal(const Dim& a, const Dim& b);
  /// The dim that stands for `d` after unification.
  Dim canonical(const Dim& d) const;
  /// `d` in terms of the sizes that arguments tell, none of it replaced by what it is required to
  /// be equal to: what checks compare.
  Dim in_sizes(const Dim& d) const;
  DimList canonical(const DimList& shape) const;
  Type canonical(Type type) const;
  Params canonical(const Params& params) const;

  /// Live nodes, inputs before users; depends on the graph's structure alone.
  std::vector<NodeId> order() const;
  std::vector<NodeId> order(std::span<const NodeId> roots) const;

  /// Expressions for `ids`; leaves are the captured ones.
  std::vector<Expr> to_exprs(std::span<const NodeId> ids) const;

  /// Drops all but the live nodes, and numbers these in order.
  void compact();
  /// Indented text, one line a node: `%3 = add %1, %2 : f32[?,10]`.
  std::string to_string() const;
  std::string to_dot() const;

private:
  std::size_t key_of(const GraphNode& n) const;
  bool equal(const GraphNode& a, const GraphNode& b) const;
  NodeId insert(GraphNode node);
  NodeId find_equal(std::size_t key, const GraphNode& node, NodeId except) const;
  void unify(std::span<const Expr* const> order, Unify unify);
  bool make_equal(Dim a, Dim b, std::span<const Expr* const> order);
  Dim canonical(const Dim& d, int& fuel) const;

  support::ChunkedVector<GraphNode> nodes_;
  std::vector<NodeId> outputs_;
  std::vector<DimCheck> checks_;
  NodeTable by_key_;
  support::FlatMap<const Node*, NodeId> captured_;
  std::unordered_map<NodeId, Expr> leaves_;
  using DimMap = std::unordered_map<Dim, Dim, dims::Hash, dims::Same>;
  DimMap dim_of_;   ///< what stands for a symbol
  DimMap equal_to_; ///< what a computed dim is required to be equal to, and is replaced by
  bool may_assume_ = false;
};

} // namespace kroton::ir
