/// The compiler's stages, one after the other.
#include "jit/function/recipe.hpp"

#include <chrono>

#include "jit/bound/bind.hpp"
#include "jit/compile/capture.hpp"
#include "jit/function/backends.hpp"
#include "jit/function/function_state.hpp"
#include "jit/bound/plan_index.hpp"
#include "lib/plan/unrolled.hpp"
#include "lib/support/environment.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit {
namespace {

using support::Area;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::string dump_directory() { return support::variable("KROTON_DUMP"); }

plan::PlanOptions plan_options(const ir::Graph& g, const Signature& signature,
                               const Options& options, bool for_device) {
  plan::PlanOptions p;
  p.outputs = signature.outputs.size();
  p.one_kernel_each = options.mode == Mode::plain;
  p.walks_pieces = !for_device;
  p.has_epilogues = for_device && !p.one_kernel_each;
  p.splits_reductions = for_device;
  p.deterministic = options.deterministic;
  p.keeps_variables = options.mode == Mode::nan_guard;
  p.is_checked = p.is_checked || options.mode == Mode::verify;
  for (const Update& u : signature.updates) p.updated.push_back(g.find(u.first));
  return p;
}

void give_up_if_asked(const Compiling& compiling) {
  if (compiling.is_given_up && compiling.is_given_up()) throw GivenUp{};
}

std::vector<BoundPlan::Kernel> kernels_of(const Texts& texts,
                                          std::span<const LoadedKernel> loaded) {
  std::vector<BoundPlan::Kernel> kernels;
  for (std::size_t i = 0; i < loaded.size(); ++i)
    kernels.push_back({loaded[i].digest, texts.kernels[i].title, loaded[i].code == nullptr});
  return kernels;
}

/// One compilation, under way.
class Compilation {
public:
  Compilation(const std::shared_ptr<const Recipe>& recipe, Assumptions assumptions,
              const Compiling& compiling)
      : recipe_(recipe), signature_(recipe->signature), backend_(backend_for(recipe->options)),
        compiling_(compiling), store_(*recipe->store), leaves_(signature_) {
    result_.assumptions = std::move(assumptions);
  }

  Compiled run() {
    if (!recipe_->is_indexed()) {
      make(nullptr);
    } else {
      const cache::Key key = plan_key(
          {signature_, leaves_, recipe_->options, result_.assumptions, backend_->describe()});
      if (!find(key)) make(&key);
    }
    result_.total_ms = ms_since(begin_);
    support::log(Area::jit)->debug("{}: ready in {:.2f} ms", signature_.name, result_.total_ms);
    if (const std::string directory = dump_directory(); !directory.empty())
      dump_function(directory, signature_, result_, *backend_);
    return std::move(result_);
  }

private:
  /// Takes the plan from the cache, with its kernels; false if that has none.
  bool find(const cache::Key& key) {
    PlanLookup lookup = find_plan(store_, key, signature_, leaves_, *backend_);
    result_.plan_outcome = lookup.outcome;
    result_.plan_level = std::move(lookup.level);
    result_.plan_miss_reason = std::move(lookup.miss_reason);
    if (!lookup.found) return false;
    result_.compile_ms = ms_since(begin_);
    result_.origin =
        std::make_shared<LazyDerivation>([recipe = recipe_, assumptions = result_.assumptions] {
          return recipe->derive(assumptions);
        });
    assemble(std::move(lookup.found->plan), std::move(lookup.found->kernels));
    return true;
  }

  /// Makes the plan and gets its kernels one by one; keeps the plan, if it has a key.
  void make(const cache::Key* key) {
    result_.plan_outcome = cache::Outcome::made;
    auto origin =
        std::make_shared<LazyDerivation>(recipe_->derive(result_.assumptions, compiling_));
    give_up_if_asked(compiling_);
    const auto start = Clock::now();
    const Texts& texts = origin->get().texts;
    std::vector<LoadedKernel> kernels = get_kernels(texts.kernels, *backend_, store_, compiling_);
    result_.compile_ms = ms_since(start);
    BoundPlan plan = bind_plan(origin->get(), signature_, leaves_, kernels_of(texts, kernels));
    if (key) keep_plan(store_, *key, plan, kernels, *backend_);
    for (LoadedKernel& k : kernels) k.artifact.reset();
    result_.origin = std::move(origin);
    assemble(std::move(plan), std::move(kernels));
  }

  void assemble(BoundPlan plan, std::vector<LoadedKernel> kernels) {
    const auto get = [recipe = recipe_, backend = backend_](const std::vector<KernelText>& texts) {
      return get_kernels(texts, *backend, *recipe->store);
    };
    result_.program = backend_->assemble(
        {std::move(plan), std::move(kernels), signature_, leaves_, result_.origin, get});
  }

  const Clock::time_point begin_ = Clock::now();
  const std::shared_ptr<const Recipe>& recipe_;
  const Signature& signature_;
  const std::shared_ptr<const Backend> backend_;
  Compiling compiling_;
  cache::Store& store_;
  const Leaves leaves_;
  Compiled result_;
};

} // namespace

bool Recipe::is_indexed() const {
  return options.mode != Mode::verify && !sabotage.rules && !sabotage.kernel &&
         dump_directory().empty() && !build_id().empty();
}

Derivation Recipe::derive(const Assumptions& assumptions, const Compiling& compiling) const {
  const auto backend = backend_for(options);
  Derivation d = plan(assumptions, backend->is_device(), compiling);
  give_up_if_asked(compiling);
  d.texts = backend->render(d.plan, sabotage.kernel);
  return d;
}

Derivation Recipe::plan(const Assumptions& assumptions, bool for_device,
                        const Compiling& compiling) const {
  const bool is_dumped = !dump_directory().empty();
  Derivation d;
  auto start = Clock::now();
  // What an axis has no loop for depends on what its user declared, as the order of sums does.
  std::vector<ir::DimValue> sizes = assumptions.sizes;
  if (!for_device)
    std::erase_if(sizes, [](const ir::DimValue& d) { return plan::may_be_unrolled(d.value); });
  ir::Graph graph = ir::Graph::capture(roots_of(signature), assumptions.unify, sizes);
  rewrite::PipelineOptions rewriting{.fp = options.fp,
                                     .contract = options.contract,
                                     .minimal = options.mode == Mode::plain,
                                     .is_timed = is_dumped,
                                     .extra = sabotage.rules};
  rewriting.is_checked = rewriting.is_checked || options.mode == Mode::verify;
  if (is_dumped) {
    d.passes.emplace_back("capture", graph.to_string());
    rewriting.on_pass = [&](std::string_view pass, const ir::Graph& g) {
      d.passes.emplace_back(pass, g.to_string());
    };
  }
  d.report = rewrite::run_pipeline(graph, rewriting);
  d.rewrite_ms = ms_since(start);
  support::log(Area::rewrite)
      ->debug("{}: {} rules fired in {:.2f} ms", signature.name, d.report.applications.size(),
              d.rewrite_ms);

  give_up_if_asked(compiling);
  start = Clock::now();
  const auto planning = plan_options(graph, signature, options, for_device);
  d.plan = plan::make_plan(std::move(graph), planning);
  d.plan_ms = ms_since(start);
  support::log(Area::plan)
      ->debug("{}: {} steps, {} kernels, {} buffers in {:.2f} ms", signature.name,
              d.plan.steps.size(), d.plan.kernels.size(), d.plan.buffers.size(), d.plan_ms);
  return d;
}

Compiled compile(const std::shared_ptr<const Recipe>& recipe, Assumptions assumptions,
                 const Compiling& compiling) {
  return Compilation(recipe, std::move(assumptions), compiling).run();
}

} // namespace kroton::jit
