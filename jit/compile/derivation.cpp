#include "jit/compile/derivation.hpp"

#include <algorithm>

#include "codegen/cpp/render.hpp"
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

codegen::ContractionShape product_shape(const plan::ContractionStep& step, int vector_bytes) {
  const auto known = [](const Dim& d) {
    return d.is_static() ? std::optional(d.value()) : std::nullopt;
  };
  const std::size_t rank = step.shape.size();
  return {step.dtype,
          step.c.has_value(),
          vector_bytes,
          {known(step.shape[rank - 2]), known(step.shape[rank - 1]), known(step.k),
           known(step.a.strides[rank - 2]), known(step.a.strides[rank - 1]),
           known(step.b.strides[rank - 2]), known(step.b.strides[rank - 1]), known(step.out_row)}};
}

Texts render_texts(const plan::Plan& plan, int vector_bytes, const Tamper& tamper) {
  Texts texts{.vector_bytes = vector_bytes};
  SharedTexts shared;
  for (const plan::Kernel& k : plan.kernels) {
    const codegen::CpuSchedule schedule = codegen::schedule_for_cpu(k, vector_bytes);
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
          render_product(product_shape(c, vector_bytes), texts);
        },
        [](const plan::LibraryStep&) {});
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
