#pragma once
/// A rewrite rule: a name, what it looks for, what it puts there, and which exactness that costs.
///
///   rule("log-one-plus", log(1 + x), log1p(x), Fp::refine)
///   rule("exp-exp", exp(exp(x)), [](Site& s) { return s["x"]; }, Fp::approx)   // by a function
#include <functional>

#include <kroton/ops/basic.hpp>
#include <kroton/options.hpp>

#include "lib/rewrite/pattern.hpp"

namespace kroton::rewrite {

using ir::NodeId;

struct Rule;

/// Where a rule is about to fire: the matched nodes, and the means to build others.
class Site {
public:
  Site(ir::Graph& graph, const Rule& rule, NodeId root, const Bound& bound,
       std::span<const int> uses)
      : graph_(graph), rule_(rule), root_(root), bound_(bound), uses_(uses) {}

  const ir::Graph& graph() const { return graph_; }
  NodeId root() const { return root_; }
  const ir::GraphNode& node(NodeId id) const { return graph_[id]; }
  const ir::Type& type(NodeId id) const { return graph_[id].type; }
  /// The node bound to a name of the pattern.
  NodeId operator[](std::string_view name) const;
  /// Live uses; 0 for nodes made since the rule was entered.
  int uses(NodeId id) const {
    return static_cast<std::size_t>(id) < uses_.size() ? uses_[static_cast<std::size_t>(id)] : 0;
  }

  /// Adds a node at the root's source location.
  NodeId make(const ir::Op& op, ir::NodeIds inputs, ir::Params params = {});
  /// A rank-0 constant.
  NodeId constant(double value, DType dtype);
  /// The same in i64.
  NodeId number(std::int64_t value);
  NodeId reshape(NodeId id, ir::DimList shape);
  NodeId broadcast(NodeId id, ir::DimList shape);
  /// Whether `d` is at least 1, or may be taken to be (`Graph::assume_equal`).
  bool is_positive(const Dim& d);

private:
  ir::Graph& graph_;
  const Rule& rule_;
  NodeId root_;
  const Bound& bound_;
  std::span<const int> uses_;
};

/// Builds the replacement; no_node where a guard says no.
using Build = NodeId (*)(Site&);

/// The two liberties that are taken without asking (Options::contract, order of summation).
enum class Liberty : std::uint8_t { none, summation, contraction };

struct Rule {
  std::string_view name;
  Pattern from;
  std::vector<Pattern> variants;       ///< `from` in every order of commutative inputs
  std::vector<std::string_view> names; ///< of the slots
  Pattern to;                          ///< used when `build` is null
  Build build = nullptr;
  Fp fp = Fp::strict;
  Liberty liberty = Liberty::none;
  /// Code generation cannot do without it: fires whatever the mode, and whatever `fp` says.
  bool is_needed = false;
  /// An expression that the rule fires on; null: derived from `from`, with f32 inputs.
  Expr (*example)() = nullptr;
  /// An expression that it must leave alone.
  Expr (*near_miss)() = nullptr;
  /// Which values the two sides treat differently beyond what `fp` says; tests keep to finite ones
  /// then.
  std::string_view except = {};

  Rule with(Liberty l) &&;
  Rule needed() &&;
  Rule on(Expr (*make)()) &&;
  Rule but_not(Expr (*make)()) &&;
  Rule excepting(std::string_view what) &&;
};

/// Throws InternalError if the right side uses a name that the left does not bind.
Rule rule(std::string_view name, Pattern from, Pattern to, Fp fp = Fp::strict);
Rule rule(std::string_view name, Pattern from, Build build, Fp fp = Fp::strict);
/// A bare 0 on the right could be either: write Pattern(0).
Rule rule(std::string_view name, Pattern from, std::nullptr_t, Fp fp = Fp::strict) = delete;

/// The replacement for a match; no_node where a guard says no.
NodeId instantiate(const Rule& rule, Site& site);

/// `rule.example`, or one made from its left side: variables are f32[3,4], constants 2.5.
Expr example_of(const Rule& rule);

} // namespace kroton::rewrite
