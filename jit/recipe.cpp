/// The compiler's stages, one after the other.
#include "jit/recipe.hpp"

#include <chrono>
#include <cstdlib>

#include "jit/capture.hpp"
#include "jit/function_state.hpp"
#include "jit/pool.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

ProgramOptions program_options(const Options& options) {
  ProgramOptions p;
  p.target = CpuTarget::parse(options.target);
  if (!p.target.runs_here())
    support::fail<UnsupportedError>(
        "target", {.hint = "leave Options::target empty for the best level of this machine"},
        "this machine cannot run code for {}", options.target);
  p.code.contraction = options.contract ? Contraction::within_expression : Contraction::never;
  if (options.threads < 0)
    support::fail<UnsupportedError>(
        "threads", {.hint = "1 keeps to the calling thread, 0 takes KROTON_THREADS or all cores"},
        "a function cannot run on {} threads", options.threads);
  p.threads = options.threads > 0 ? options.threads : thread_count();
  return p;
}

plan::PlanOptions plan_options(const ir::Graph& g, const Signature& signature,
                               const Options& options) {
  plan::PlanOptions p;
  p.outputs = signature.outputs.size();
  p.one_kernel_each = options.mode == Mode::plain;
  for (const Update& u : signature.updates) p.updated.push_back(g.find(u.first));
  return p;
}

void give_up_if_asked(const Compiling& compiling) {
  if (compiling.is_given_up && compiling.is_given_up()) throw GivenUp{};
}

} // namespace

Compiled Recipe::compile(Assumptions assumptions, const Compiling& compiling) const {
  using support::Area;
  const char* dump = std::getenv("KROTON_DUMP");
  Compiled c;
  c.assumptions = std::move(assumptions);
  const auto begin = Clock::now();
  auto start = begin;
  ir::Graph graph =
      ir::Graph::capture(roots_of(signature), c.assumptions.unify, c.assumptions.sizes);
  if (dump) c.passes.emplace_back("capture", graph.to_string());
  rewrite::PipelineOptions rewriting{.fp = options.fp,
                                     .contract = options.contract,
                                     .minimal = options.mode == Mode::plain,
                                     .is_timed = dump != nullptr,
                                     .extra = sabotage.rules};
  if (dump)
    rewriting.on_pass = [&](std::string_view pass, const ir::Graph& g) {
      c.passes.emplace_back(pass, g.to_string());
    };
  c.report = rewrite::run_pipeline(graph, rewriting);
  c.rewrite_ms = ms_since(start);
  support::log(Area::rewrite)
      ->debug("{}: {} rules fired in {:.2f} ms", signature.name, c.report.applications.size(),
              c.rewrite_ms);

  give_up_if_asked(compiling);
  start = Clock::now();
  const auto planning = plan_options(graph, signature, options);
  plan::Plan plan = plan::make_plan(std::move(graph), planning);
  c.plan_ms = ms_since(start);
  support::log(Area::plan)
      ->debug("{}: {} steps, {} kernels, {} buffers in {:.2f} ms", signature.name,
              plan.steps.size(), plan.kernels.size(), plan.buffers.size(), c.plan_ms);

  give_up_if_asked(compiling);
  start = Clock::now();
  ProgramOptions program = program_options(options);
  program.tamper = sabotage.kernel;
  program.compiling = compiling;
  program.compiling.store = &store_for(options.cache);
  c.program = std::make_unique<Program>(std::move(plan), signature, program);
  c.compile_ms = ms_since(start);
  c.total_ms = ms_since(begin);
  support::log(Area::jit)->debug("{}: code ready in {:.2f} ms", signature.name, c.compile_ms);
  if (dump) dump_function(dump, signature, c, program);
  return c;
}

} // namespace kroton::jit
