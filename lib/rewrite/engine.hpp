#pragma once
/// The one worklist that applies rules to a graph until none fires.
///
///   Engine engine(graph, {.fp = Fp::refine});
///   engine.run(rules);                        // true if something changed
///   engine.counts();                          // tries, hits and time of every rule
///
/// A rule is tried on nodes of its root op only. When a node changes, its users are tried again,
/// up to as many levels as the deepest pattern sees; a last sweep over all nodes confirms that
/// nothing fires (rules may look further than their pattern does).
#include <chrono>
#include <unordered_map>

#include "lib/rewrite/rule.hpp"

namespace kroton::rewrite {

struct EngineOptions {
  Fp fp = Fp::refine;
  bool contract = true;
  bool minimal = false;       ///< only rules that code generation needs
  long max_applications = -1; ///< stop after that many; -1: no limit
  bool is_timed = false;      ///< measures rules one by one; reading the clock is a fifth of all
};

struct RuleCount {
  std::string_view rule;
  long tries = 0;
  long hits = 0;
  std::int64_t ns = 0; ///< in guards, in building and in replacing; 0 unless it was measured
};

struct Application {
  std::string_view rule;
  std::string_view op; ///< of the node that was replaced
  Location where;
  Fp fp; ///< what the rule gives up
};

class Engine {
public:
  Engine(ir::Graph& graph, const EngineOptions& options);

  /// Applies `rules` to a fixpoint. Throws InternalError, naming two rules, if they undo each
  /// other.
  bool run(std::span<const Rule* const> rules);

  const std::vector<RuleCount>& counts() const { return counts_; }
  const std::vector<Application>& applications() const { return applications_; }
  bool is_exhausted() const {
    return options_.max_applications >= 0 &&
           static_cast<long>(applications_.size()) >= options_.max_applications;
  }

private:
  struct Entry {
    const Rule* rule;
    RuleCount* count;
  };
  using Index = std::unordered_map<const ir::Op*, std::vector<Entry>>;

  Index index(std::span<const Rule* const> rules);
  bool visit(NodeId id, const Index& index);
  bool apply(NodeId id, const Entry& entry, const Bound& bound);
  bool apply_timed(NodeId id, const Entry& entry, const Bound& bound);
  void replace(NodeId from, NodeId to, const Rule& rule);
  void enqueue(NodeId id);
  void enqueue_users(NodeId id);
  void retain(NodeId id, int count);
  void release(NodeId id);
  void grow();

  ir::Graph& graph_;
  EngineOptions options_;
  std::vector<RuleCount> counts_;
  std::unordered_map<const Rule*, std::size_t> count_of_;
  std::vector<Application> applications_;

  std::vector<NodeId> queue_;
  std::vector<char> is_queued_;
  /// Uses by live nodes and outputs; a node without any is dead, though its inputs still list it.
  std::vector<int> uses_;
  std::vector<int> generation_; ///< how many replacements led to this node
  std::vector<const Rule*> made_by_;
  int depth_ = 1;
  int limit_ = 0; ///< generations before two rules are taken to undo each other
};

} // namespace kroton::rewrite
