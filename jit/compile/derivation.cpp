#include "jit/compile/derivation.hpp"

#include <algorithm>

#include "codegen/cpp/render.hpp"
#include "codegen/program/sequence.hpp"
#include "lib/support/error.hpp"
#include "lib/support/match.hpp"

namespace kroton::jit {
namespace {

void render_product(const codegen::ContractionShape& shape, Texts& texts) {
  if (std::ranges::find(texts.products, shape, &Texts::Product::shape) != texts.products.end())
    return;
  Texts::Product& product = texts.products.emplace_back(shape);
  for (codegen::ContractionScheme scheme : codegen::possible_schemes(shape)) {
    product.of_scheme[static_cast<std::size_t>(scheme)] = static_cast<int>(texts.kernels.size());
    const codegen::ProductSchedule schedule = codegen::schedule_for_cpu(shape, scheme);
    texts.kernels.push_back({.text = std::make_shared<const std::string>(
                                 codegen::render_contraction(shape, schedule).text),
                             .title = "contraction",
                             .schedule = schedule.to_string()});
    texts.notes.emplace_back();
  }
}

} // namespace

std::vector<std::pair<int, std::string>> notes_of(std::span<const std::pair<int, ir::NodeId>> lines,
                                                  const ir::Graph& graph) {
  std::vector<std::pair<int, std::string>> notes;
  for (const auto& [line, node] : lines) {
    const ir::GraphNode& n = graph[node];
    notes.emplace_back(
        line, fmt::format("{} {}, {}", n.op->name, n.type.to_string(), support::describe(n.where)));
  }
  return notes;
}

std::shared_ptr<const std::string> SharedTexts::share(std::string text) {
  const auto known = known_.find(text);
  if (known != known_.end()) return known->second;
  auto made = std::make_shared<const std::string>(std::move(text));
  return known_.emplace(*made, made).first->second;
}

namespace {

/// The sequences of a plan, and which texts are still compiled apart.
void add_sequences(const plan::Plan& plan, std::span<const codegen::CpuSchedule> schedules,
                   const Tamper& tamper, Texts& texts) {
  std::vector<bool> is_inside(plan.steps.size(), false);
  const auto sequences = codegen::sequences_for_cpu(plan, schedules, texts.vector_bytes);
  if (sequences.empty()) return;
  for (const codegen::Sequence& s : sequences) {
    Texts::Sequence& sequence =
        texts.sequences.emplace_back(s, static_cast<int>(texts.kernels.size()));
    codegen::KernelSource source = codegen::render_sequence(plan, s, schedules, texts.vector_bytes);
    if (tamper) tamper(source.text);
    std::string schedule = fmt::format("steps {} to {} in one function, on the calling thread",
                                       s.first, s.first + s.count - 1);
    for (int i = s.first; i < s.first + s.count; ++i) {
      is_inside[static_cast<std::size_t>(i)] = true;
      const plan::KernelStep* k = plan.steps[static_cast<std::size_t>(i)].kernel();
      if (!k) continue;
      for (std::int64_t draw : draw_arguments(plan.kernels[static_cast<std::size_t>(k->kernel)]))
        sequence.draws.push_back(draw);
    }
    texts.notes.push_back(notes_of(source.lines, plan.graph));
    texts.kernels.push_back({.text = std::make_shared<const std::string>(std::move(source.text)),
                             .title = fmt::format("{} steps", s.count),
                             .schedule = std::move(schedule)});
  }
  const std::size_t parts = static_cast<std::size_t>(texts.sequences.front().text);
  for (std::size_t i = 0; i < parts; ++i) texts.kernels[i].is_deferred = true;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    if (is_inside[i]) continue;
    support::match(
        plan.steps[i].what,
        [&](const plan::KernelStep& k) {
          texts.kernels[static_cast<std::size_t>(k.kernel)].is_deferred = false;
        },
        [&](const plan::ContractionStep& c) {
          const auto product =
              std::ranges::find(texts.products, codegen::product_shape(c, texts.vector_bytes),
                                &Texts::Product::shape);
          for (const auto& text : product->of_scheme)
            if (text) texts.kernels[static_cast<std::size_t>(*text)].is_deferred = false;
        },
        [](const plan::LibraryStep&) {});
  }
}

} // namespace

Texts render_texts(const plan::Plan& plan, int vector_bytes, bool has_sequences,
                   const Tamper& tamper) {
  Texts texts{.vector_bytes = vector_bytes};
  SharedTexts shared;
  std::vector<codegen::CpuSchedule> schedules;
  for (const plan::Kernel& k : plan.kernels) {
    const codegen::CpuSchedule& schedule =
        schedules.emplace_back(codegen::schedule_for_cpu(k, vector_bytes));
    codegen::KernelSource source = codegen::render(k, schedule);
    if (tamper) tamper(source.text);
    texts.notes.push_back(notes_of(source.lines, plan.graph));
    texts.kernels.push_back({.text = shared.share(std::move(source.text)),
                             .title = k.title,
                             .schedule = schedule.to_string()});
  }
  for (const plan::Step& step : plan.steps)
    support::match(
        step.what, [](const plan::KernelStep&) {},
        [&](const plan::ContractionStep& c) {
          render_product(codegen::product_shape(c, vector_bytes), texts);
        },
        [](const plan::LibraryStep&) {});
  if (has_sequences) add_sequences(plan, schedules, tamper, texts);
  return texts;
}

const Derivation& LazyDerivation::get() const {
  if (const Derivation* known = this->known()) return *known;
  const std::lock_guard lock(mutex_);
  if (const Derivation* known = this->known()) return *known;
  derivation_.emplace(derive_());
  known_.store(&*derivation_, std::memory_order_release);
  return *derivation_;
}

} // namespace kroton::jit
