#include "lib/rewrite/pipeline.hpp"

#include <algorithm>

#include "lib/ir/check.hpp"
#include "lib/rewrite/rules/rules.hpp"
#include "lib/support/log.hpp"

namespace kroton::rewrite {
namespace {

struct Pass {
  std::string_view name;
  std::vector<const RuleSet*> families;
};

std::vector<Pass> passes() {
  using namespace rules;
  return {
      {"canonicalize", {&parts(), &canonical(), &movement()}},
      {"simplify", {&fold(), &canonical(), &algebra(), &movement(), &reduction()}},
      {"stabilize", {&stability(), &fold(), &canonical(), &algebra(), &movement(), &reduction()}},
      {"specialize",
       {&contraction(), &indexing(), &fold(), &canonical(), &algebra(), &movement(), &reduction()}},
  };
}

std::vector<const Rule*> rules_of(const Pass& pass, const RuleSet* extra) {
  std::vector<const Rule*> rules;
  auto take = [&](const RuleSet& set) {
    for (const Rule& r : set.rules) rules.push_back(&r);
  };
  if (extra) take(*extra);
  for (const RuleSet* set : pass.families) take(*set);
  return rules;
}

} // namespace

PipelineReport run_pipeline(ir::Graph& graph, const PipelineOptions& options) {
  using Clock = std::chrono::steady_clock;
  PipelineReport report;
  const auto check = [&](std::string_view after) {
    if (options.is_checked) ir::check_graph(graph, after);
  };
  check("capture");
  Engine engine(graph, {.fp = options.fp,
                        .contract = options.contract,
                        .minimal = options.minimal,
                        .max_applications = options.max_applications,
                        .is_timed = options.is_timed});
  for (const Pass& pass : passes()) {
    if (engine.is_exhausted()) break;
    const auto start = Clock::now();
    const auto before = engine.applications().size();
    const bool has_changed = engine.run(rules_of(pass, options.extra));
    report.passes.push_back(
        {.pass = pass.name,
         .ns = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count(),
         .has_changed = has_changed,
         .applications = static_cast<long>(engine.applications().size() - before)});
    support::log(support::Area::rewrite)
        ->debug("{}: {} applications in {} us", pass.name, report.passes.back().applications,
                report.passes.back().ns / 1000);
    check(pass.name);
    if (has_changed && options.on_pass) options.on_pass(pass.name, graph);
  }
  report.rules = engine.counts();
  std::erase_if(report.rules, [](const RuleCount& c) { return c.tries == 0; });
  report.applications = engine.applications();
  graph.compact();
  check("compact");
  return report;
}

bool stabilize(ir::Graph& graph) {
  Engine engine(graph, {});
  std::vector<const Rule*> rules;
  for (const Rule& r : rules::stability().rules) rules.push_back(&r);
  const bool has_changed = engine.run(rules);
  if (support::are_stages_checked()) ir::check_graph(graph, "stabilize");
  return has_changed;
}

} // namespace kroton::rewrite
