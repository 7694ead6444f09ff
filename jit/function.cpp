/// `function()` and the calls of a Function.
#include <kroton/function.hpp>

#include <chrono>
#include <cstdlib>

#include "jit/capture.hpp"
#include "jit/function_state.hpp"
#include "jit/pool.hpp"
#include "lib/ops/ops.hpp"
#include "lib/support/log.hpp"

namespace kroton {
namespace jit {
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
  p.code.contraction = options.contract ? Contraction::fast : Contraction::never;
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

} // namespace

FunctionState::FunctionState(Signature signature, const Options& options, Sabotage sabotage)
    : signature_(std::move(signature)), options_(options), sabotage_(std::move(sabotage)) {
  const auto start = Clock::now();
  compiled_ = compile(ir::Graph::Unify::assumed);
  total_ms_ = ms_since(start);
}

Compiled FunctionState::compile(ir::Graph::Unify unify) const {
  using support::Area;
  const char* dump = std::getenv("KROTON_DUMP");
  Compiled c;
  c.unify = unify;
  auto start = Clock::now();
  ir::Graph graph = ir::Graph::capture(roots_of(signature_), unify);
  if (dump) c.passes.emplace_back("capture", graph.to_string());
  rewrite::PipelineOptions rewriting{.fp = options_.fp,
                                     .contract = options_.contract,
                                     .minimal = options_.mode == Mode::plain,
                                     .extra = sabotage_.rules};
  if (dump)
    rewriting.on_pass = [&](std::string_view pass, const ir::Graph& g) {
      c.passes.emplace_back(pass, g.to_string());
    };
  c.report = rewrite::run_pipeline(graph, rewriting);
  c.rewrite_ms = ms_since(start);
  support::log(Area::rewrite)
      ->debug("{}: {} rules fired in {:.2f} ms", signature_.name, c.report.applications.size(),
              c.rewrite_ms);

  start = Clock::now();
  const auto planning = plan_options(graph, signature_, options_);
  plan::Plan plan = plan::make_plan(std::move(graph), planning);
  c.plan_ms = ms_since(start);
  support::log(Area::plan)
      ->debug("{}: {} steps, {} kernels, {} buffers in {:.2f} ms", signature_.name,
              plan.steps.size(), plan.kernels.size(), plan.buffers.size(), c.plan_ms);

  start = Clock::now();
  ProgramOptions options = program_options(options_);
  options.tamper = sabotage_.kernel;
  c.program = std::make_unique<Program>(std::move(plan), signature_, options);
  c.compile_ms = ms_since(start);
  support::log(Area::jit)->debug("{}: code ready in {:.2f} ms", signature_.name, c.compile_ms);
  if (dump) dump_function(dump, signature_, c, options);
  return c;
}

std::vector<Array> FunctionState::call(std::span<const Array> arguments, const Array* given) {
  calls_.fetch_add(1, std::memory_order_relaxed);
  auto run = [&](const Compiled& c) {
    if (options_.mode == Mode::verify)
      return verified_call(signature_, options_, sabotage_, c, arguments, given);
    return c.program->run(arguments, given);
  };
  try {
    return run(compiled_);
  } catch (const AssumptionFailed&) {
    std::call_once(general_once_, [&] { general_ = compile(ir::Graph::Unify::required); });
    return run(*general_);
  }
}

} // namespace jit

std::vector<Array> Function::operator()(std::span<const Array> arguments) const {
  return state_->call(arguments, nullptr);
}

void Function::call_into(std::span<const Array> arguments, std::span<const Array> outputs) const {
  const auto& s = state_->signature();
  if (outputs.size() != s.outputs.size())
    support::fail<ShapeError>(
        s.name, {.place = support::describe(s.where), .hint = "give one array for each output"},
        "has {} output{}, got {} arrays to write", s.outputs.size(),
        s.outputs.size() == 1 ? "" : "s", outputs.size());
  static const Array none;
  state_->call(arguments, outputs.empty() ? &none : outputs.data());
}

const std::string& Function::name() const { return state_->signature().name; }
std::string Function::source() const { return state_->source(); }
FunctionStats Function::stats() const { return state_->stats(); }
std::string Function::explain() const { return state_->explain(); }
std::string Function::graph() const { return state_->compiled().program->plan().graph.to_string(); }
std::string Function::graph_dot() const {
  return state_->compiled().program->plan().graph.to_dot();
}

Function function(std::vector<Expr> inputs, std::vector<Expr> outputs, Options options,
                  Location where) {
  return Function(std::make_shared<jit::FunctionState>(
      jit::make_signature(std::move(inputs), std::move(outputs), options, where), options));
}

Function function(std::vector<Expr> inputs, Expr output, Options options, Location where) {
  return function(std::move(inputs), std::vector<Expr>{std::move(output)}, std::move(options),
                  where);
}

CacheStats cache_stats() {
  const cache::Store& store = jit::process_store();
  const cache::Stats s = store.stats();
  return {store.directory().string(),
          s.hits_memory,
          s.hits_disk,
          s.misses,
          s.published,
          s.quarantined,
          s.evicted};
}

const char* version() noexcept { return KROTON_VERSION; }

} // namespace kroton
