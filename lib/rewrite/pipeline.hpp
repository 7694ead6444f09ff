#pragma once
/// The passes between capture and planning, each a named set of rules run to a fixpoint.
///
///   PipelineReport report = run_pipeline(graph, {.fp = Fp::refine});
///   for (const Application& a : report.applications) …        // explain()
///
/// - canonicalize: one form for each thing: constants right, movements composed, markers for grad
///   dropped
/// - simplify: folding, algebra, movement, reductions
/// - stabilize: forms that do not overflow or cancel; simplify's rules again for what that opens
/// - specialize: ops with kernels of their own; ops without a kernel taken apart
///
/// After the last pass the graph holds live nodes only, numbered in order.
#include <functional>

#include "lib/rewrite/engine.hpp"
#include "lib/support/stage_checks.hpp"

namespace kroton::rewrite {

/// Constants of more elements are never computed with: that would only take memory and time. What a
/// graph becomes depends on the elements of smaller ones, and of no others.
inline constexpr std::int64_t max_folded_numel = 1024;

/// Rules by a name, in the order in which they are tried.
struct RuleSet {
  std::string_view name;
  std::vector<Rule> rules;
};

struct PipelineOptions {
  Fp fp = Fp::refine;
  bool contract = true;
  /// Only what code generation needs (Mode::plain).
  bool minimal = false;
  /// Stop after that many applications, to find the one that breaks a result; -1: no limit.
  long max_applications = -1;
  /// Measures how long each rule takes.
  bool is_timed = false;
  /// Called after each pass that changed the graph.
  std::function<void(std::string_view pass, const ir::Graph&)> on_pass = {};
  /// Rules tried in every pass besides its own.
  const RuleSet* extra = nullptr;
  /// The graph is checked before the first pass and after each one; see ir::check_graph.
  bool is_checked = support::are_stages_checked();
};

struct PassReport {
  std::string_view pass;
  std::int64_t ns = 0;
  bool has_changed = false;
  long applications = 0;
};

struct PipelineReport {
  std::vector<PassReport> passes;
  std::vector<RuleCount> rules;          ///< those that were tried
  std::vector<Application> applications; ///< in order
};

PipelineReport run_pipeline(ir::Graph& graph, const PipelineOptions& options = {});

/// What grad runs on a cost before differentiating it: the stabilize family alone.
bool stabilize(ir::Graph& graph);

} // namespace kroton::rewrite
