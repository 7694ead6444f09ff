#include "codegen/schedule/sequence.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "lib/support/match.hpp"
#include "lib/support/saturate.hpp"

namespace kroton::codegen {
namespace {

using namespace plan;
using support::saturating_add;
using support::saturating_mul;

/// Of a plan: a sequence has its buffers' numbers in its text, so that a recurrence which is
/// written out step after step would have a text for each of them.
constexpr std::size_t most_steps = 32;
/// Of a sequence: what it costs to compile a text grows with it, and texts are compiled side by
/// side. The tiles of a product take as long as two kernels.
constexpr int most_kernels = 8;
/// About 20 us of work; a step that takes longer gains nothing, and is worth threads.
constexpr std::int64_t most_operations = 65536;
/// Products of elements; see ProductSchedule::grain.
constexpr std::int64_t most_products = 4096;
/// What a step may have of the stack as scratch memory, and all arrays of a sequence together.
constexpr std::int64_t most_scratch = 16 << 10, most_locals = 16 << 10;

std::optional<std::int64_t> count(std::span<const Dim> dims) {
  std::int64_t n = 1;
  for (const Dim& d : dims) {
    if (!d.is_static()) return std::nullopt;
    n = saturating_mul(n, d.value());
  }
  return n;
}

class Decider {
public:
  Decider(const Plan& plan, std::span<const CpuSchedule> schedules, int vector_bytes)
      : plan_(plan), schedules_(schedules), vector_bytes_(vector_bytes) {}

  std::vector<Sequence> run() {
    std::vector<Sequence> found;
    if (plan_.steps.size() > most_steps) return found;
    Sequence next;
    std::set<int> kernels; // a product's counts as one of its own
    int weight = 0;        // of all of them
    const auto end = [&] {
      if (next.count > 1) found.push_back(next);
      kernels.clear();
      weight = next.count = 0;
    };
    for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
      const Step& step = plan_.steps[i];
      if (!is_small(step)) {
        end();
        continue;
      }
      const KernelStep* kernel = step.kernel();
      const int number = kernel ? kernel->kernel : -1 - static_cast<int>(i);
      const int more = kernels.contains(number) ? 0 : weight_of(step);
      if (weight + more > most_kernels) end();
      if (next.count++ == 0) next.first = static_cast<int>(i);
      if (kernels.insert(number).second) weight += weight_of(step);
      if (step.is_fallible) end();
    }
    end();
    for (Sequence& s : found) s.locals = locals_of(s);
    return found;
  }

private:
  bool is_small(const Step& step) const {
    return support::match(
        step.what, [&](const KernelStep& k) { return is_small(k); },
        [&](const ContractionStep& c) { return is_small(c); },
        [](const LibraryStep&) { return false; });
  }

  int weight_of(const Step& step) const {
    return support::match(
        step.what, [](const KernelStep&) { return 1; },
        [&](const ContractionStep& c) {
          const ContractionShape shape = product_shape(c, vector_bytes_);
          return schedule_for_cpu(shape, possible_schemes(shape)[0]).is_written_out ? 1 : 2;
        },
        [](const LibraryStep&) { return 0; });
  }

  /// Whether a kernel's sizes are known, and so small that it has one chunk of rows.
  bool is_small(const KernelStep& step) const {
    const Kernel& k = plan_.kernels[static_cast<std::size_t>(step.kernel)];
    const Chunks& chunks = schedules_[static_cast<std::size_t>(step.kernel)].chunks;
    const auto elements = count(k.axes);
    const auto of_row = count(std::span(k.axes).subspan(static_cast<std::size_t>(k.rows)));
    if (!elements || *elements == 0) return false;
    if (saturating_mul(*elements, 1 + k.cost / 8) > most_operations) return false;
    std::int64_t fewest = chunks.elements; // rows of a chunk
    if (chunks.ordered_elements > 0) fewest = std::min(fewest, chunks.ordered_elements);
    if (static_cast<std::size_t>(k.rows) < k.axes.size()) fewest = fewest / (1 + *of_row) + 1;
    if (*elements / *of_row > fewest) return false;
    const std::vector<Dim> offsets = scratch_offsets(k);
    return offsets.back().is_static() && offsets.back().value() <= most_scratch &&
           std::ranges::all_of(size_arguments(k), &Dim::is_static);
  }

  bool is_small(const ContractionStep& step) const {
    const ContractionShape shape = product_shape(step, vector_bytes_);
    const auto sizes = shape.known_sizes();
    const auto is_static = [](const Dim& d) { return d.is_static(); };
    if (!sizes || !step.a.offset.is_static() || !step.b.offset.is_static() ||
        (step.alpha && !step.alpha->offset.is_static()) ||
        !std::ranges::all_of(step.shape.begin(), step.shape.end() - 2,
                             [](const Dim& d) { return d.is(1); }) ||
        !std::ranges::all_of(step.shape, is_static))
      return false;
    const std::int64_t products = saturating_mul(saturating_mul(sizes->m, sizes->n), sizes->k);
    const std::vector<ContractionScheme> schemes = possible_schemes(shape);
    if (products == 0 || products > most_products || schemes.size() != 1) return false;
    const ProductSchedule schedule = schedule_for_cpu(shape, schemes[0]);
    return schedule.grain == 0 && schedule.part_terms == 0 && !schedule.packed &&
           contraction_work_bytes(shape, schemes[0], *sizes, 1) <= most_scratch;
  }

  std::vector<std::pair<int, std::int64_t>> locals_of(const Sequence& s) const {
    std::set<int> inside, outside;
    for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
      const bool is_inside =
          static_cast<int>(i) >= s.first && static_cast<int>(i) < s.first + s.count;
      const Step& step = plan_.steps[i];
      for (const auto* buffers : {&step.reads, &step.writes})
        (is_inside ? inside : outside).insert(buffers->begin(), buffers->end());
    }
    std::vector<std::pair<int, std::int64_t>> locals;
    std::int64_t total = 0;
    for (int b : inside) {
      const Buffer& buffer = plan_.buffers[static_cast<std::size_t>(b)];
      if (buffer.kind != BufferKind::temp || outside.contains(b)) continue;
      const Dim& bytes = plan_.slots[static_cast<std::size_t>(buffer.index)];
      if (!bytes.is_static()) continue;
      const std::int64_t whole_lines = saturating_add<std::int64_t>(bytes.value(), 63) / 64 * 64;
      if (saturating_add(total, whole_lines) > most_locals) continue;
      total += whole_lines;
      locals.emplace_back(b, whole_lines);
    }
    return locals;
  }

  const Plan& plan_;
  std::span<const CpuSchedule> schedules_;
  int vector_bytes_;
};

} // namespace

ContractionShape product_shape(const ContractionStep& step, int vector_bytes) {
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

std::vector<Sequence> sequences_for_cpu(const Plan& plan, std::span<const CpuSchedule> schedules,
                                        int vector_bytes) {
  return Decider(plan, schedules, vector_bytes).run();
}

} // namespace kroton::codegen
