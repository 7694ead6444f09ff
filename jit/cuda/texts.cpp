#include "jit/cuda/texts.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>

#include "codegen/cuda/contraction.hpp"
#include "jit/cuda/cublaslt.hpp"
#include "lib/plan/known_epilogue.hpp"
#include "lib/support/match.hpp"

namespace kroton::jit::cuda {
namespace dims = ir::dims;
namespace {

/// What a step will want if sizes that are not known are `unknown_size`.
class Expected {
public:
  Expected(const plan::Plan& plan, const plan::Step& step, const codegen::CudaStep& code,
           std::int64_t unknown_size)
      : unknown_size_(unknown_size) {
    const bool is_by_library = support::match(
        step.what, [](const plan::KernelStep&) { return false; },
        [&](const plan::ContractionStep& c) {
          if (!is_for_library(c)) return false;
          has_epilogue_ = c.epilogue && !library_has_epilogue(plan, c);
          return true;
        },
        [](const plan::LibraryStep&) { return false; });
    if (is_by_library) return;
    std::set<int> chosen; // stages
    for (const codegen::CudaText& text : code.texts) {
      bool is_wanted = false;
      for (const codegen::Launch& l : text.launches)
        if (size(l.selector) <= l.selector_limit && chosen.insert(l.stage).second)
          is_wanted = is_wanted || l.always || size(l.units) > 0;
      wanted_.push_back(is_wanted);
    }
  }
  bool text(std::size_t i) const { return i < wanted_.size() && wanted_[i]; }
  bool epilogue() const { return has_epilogue_; }

private:
  std::int64_t size(const Dim& d) const {
    return dims::try_evaluate(d, [&](const ir::DimNode&) { return unknown_size_; })
        .value_or(std::numeric_limits<std::int64_t>::max());
  }
  bool is_for_library(const plan::ContractionStep& c) const {
    const std::span<const Dim> shape = c.shape;
    const std::size_t batch_axes = shape.size() - 2;
    return cuda::is_for_library({.dtype = c.dtype,
                                 .m = size(shape[batch_axes]),
                                 .n = size(shape[batch_axes + 1]),
                                 .k = size(c.k),
                                 .batches = size(dims::product(shape.first(batch_axes)))});
  }
  static bool library_has_epilogue(const plan::Plan& plan, const plan::ContractionStep& c) {
    const plan::Epilogue& e = *c.epilogue;
    const plan::Kernel& kernel = plan.kernels[static_cast<std::size_t>(e.kernel.kernel)];
    return !c.c && !e.keeps_product && plan::known_epilogue(kernel, e.product, c.shape.back());
  }

  const std::int64_t unknown_size_;
  std::vector<bool> wanted_;
  bool has_epilogue_ = false;
};

class Renderer {
public:
  Renderer(const plan::Plan& plan, const Tamper& tamper, std::int64_t unknown_size)
      : plan_(plan), tamper_(tamper), unknown_size_(unknown_size) {
    texts_.kernels.resize(plan.kernels.size(), {.is_deferred = true});
    texts_.notes.resize(plan.kernels.size());
  }

  Texts run() {
    texts_.device.emplace();
    for (const plan::Step& step : plan_.steps) add(step);
    return std::move(texts_);
  }

private:
  void add(const plan::Step& step) {
    codegen::CudaStep code = codegen::render_cuda_step(plan_, step);
    const Expected expected(plan_, step, code, unknown_size_);
    DeviceCode& device = texts_.device->emplace_back();
    device.scratch_bytes = code.texts.front().scratch_bytes;
    device.counts_blocks = code.texts.front().counts_blocks;
    device.clears_results = code.clears_results;
    const auto title_of = [&](const plan::KernelStep& k) {
      return plan_.kernels[static_cast<std::size_t>(k.kernel)].title;
    };
    // A kernel's first text stands where the kernel does.
    std::optional<int> first;
    const std::string title = support::match(
        step.what,
        [&](const plan::KernelStep& k) {
          first = k.kernel;
          return title_of(k);
        },
        [&](const plan::ContractionStep& c) {
          return "contraction" + (c.epilogue ? ", " + title_of(c.epilogue->kernel) : "");
        },
        [](const plan::LibraryStep& l) { return std::string(l.op->name); });
    const plan::KernelStep* k = step.kernel();
    for (std::size_t i = 0; i < code.texts.size(); ++i) {
      codegen::CudaText& text = code.texts[i];
      std::string full_title = text.variant_name.empty() ? title : title + ", " + text.variant_name;
      const int at = first && i == 0 ? *first : new_text();
      put(at, std::move(text), std::move(full_title), expected.text(i), k != nullptr,
          device.launches);
    }
    if (code.epilogue)
      put(k->kernel, std::move(*code.epilogue), title_of(*k), expected.epilogue(), true,
          device.epilogue);
  }

  int new_text() {
    texts_.kernels.push_back({.is_deferred = true});
    texts_.notes.emplace_back();
    return static_cast<int>(texts_.kernels.size()) - 1;
  }

  void put(int at, codegen::CudaText code, std::string title, bool is_wanted, bool is_kernel,
           std::vector<DeviceCode::Launch>& launches) {
    if (tamper_ && is_kernel) tamper_(code.text);
    KernelText& text = texts_.kernels[static_cast<std::size_t>(at)];
    text.text = shared_.share(std::move(code.text));
    text.title = std::move(title);
    text.schedule = std::move(code.schedule);
    text.is_deferred = text.is_deferred && !is_wanted;
    texts_.notes[static_cast<std::size_t>(at)] = notes_of(code.lines, plan_.graph);
    text.entries.clear();
    for (codegen::Launch& l : code.launches) {
      text.entries.push_back(l.entry);
      launches.push_back({at, std::move(l)});
    }
  }

  const plan::Plan& plan_;
  const Tamper& tamper_;
  const std::int64_t unknown_size_;
  Texts texts_;
  SharedTexts shared_;
};

} // namespace

Texts render_for_device(const plan::Plan& plan, const Tamper& tamper, std::int64_t unknown_size) {
  return Renderer(plan, tamper, unknown_size).run();
}

} // namespace kroton::jit::cuda
