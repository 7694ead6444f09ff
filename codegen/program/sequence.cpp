#include "codegen/program/sequence.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "codegen/prelude/prelude.hpp"
#include "codegen/product/contraction.hpp"
#include "lib/support/error.hpp"
#include "lib/support/match.hpp"

namespace kroton::codegen {
namespace {

using namespace plan;

/// Of a text that is written out for each of the steps that have it.
constexpr std::size_t most_repeated = 2048;

class SequenceText {
public:
  SequenceText(const Plan& plan, const Sequence& sequence, std::span<const CpuSchedule> schedules,
               int vector_bytes)
      : plan_(plan), s_(sequence), schedules_(schedules), vector_bytes_(vector_bytes) {}

  KernelSource run() {
    count_uses();
    std::string steps;
    for (int i = s_.first; i < s_.first + s_.count; ++i)
      support::match(
          plan_.steps[static_cast<std::size_t>(i)].what,
          [&](const KernelStep& k) { steps += call(i, k); },
          [&](const ContractionStep& c) { steps += call(i, c); },
          [](const LibraryStep&) {
            KROTON_CHECK(false, "a library call has no text to be part of a sequence");
          });
    steps = entry(steps);
    std::string head = fmt::format("// {} steps, one after the other\n", s_.count);
    head += prelude_for(prelude_names_in(parts_ + steps));
    head += "\n" + runtime_declaration(is_fallible_);
    const int shift = static_cast<int>(std::ranges::count(head, '\n'));
    for (auto& [line, node] : lines_) line += shift;
    return {head + parts_ + steps, std::move(lines_)};
  }

private:
  struct Function {
    std::string name;
    bool is_shared = false; ///< a function that several steps call
  };

  /// The part's text is in the namespace of the function that is returned, once for equal texts.
  Function function_of(const KernelPart& part) {
    const auto [it, is_new] =
        names_.try_emplace(part.text, Function{fmt::format("part{}", names_.size())});
    Function& f = it->second;
    if (!is_new) return f;
    f.is_shared = uses_[part.text] > 1 && part.text.size() > most_repeated;
    parts_ += "\n" + part.about + "namespace " + f.name + " {\n";
    const int shift = static_cast<int>(std::ranges::count(parts_, '\n'));
    for (const auto& [line, node] : part.lines) lines_.emplace_back(line + shift, node);
    parts_ += part.text;
    // Written out for each of its steps, it would take as many times the compiler's time.
    if (f.is_shared)
      parts_ += "\n[[gnu::noinline]] static void run_again(const Runtime* rt, void* const* "
                "buffers, const i64* sizes) {\n  run(rt, buffers, sizes);\n}\n";
    parts_ += "} // namespace " + f.name + "\n";
    return f;
  }

  /// Renders all parts once to see which of them several steps have.
  void count_uses() {
    for (int i = s_.first; i < s_.first + s_.count; ++i) {
      parts_of_steps_.push_back(part_of(plan_.steps[static_cast<std::size_t>(i)]));
      ++uses_[parts_of_steps_.back().text];
    }
  }
  KernelPart part_of(const Step& step) const {
    return support::match(
        step.what,
        [&](const KernelStep& k) {
          const auto number = static_cast<std::size_t>(k.kernel);
          return render_part(plan_.kernels[number], schedules_[number]);
        },
        [&](const ContractionStep& c) {
          const ContractionShape shape = product_shape(c, vector_bytes_);
          return render_contraction_part(shape,
                                         schedule_for_cpu(shape, possible_schemes(shape)[0]));
        },
        [](const LibraryStep&) { return KernelPart{}; });
  }
  const KernelPart& part(int step) const {
    return parts_of_steps_[static_cast<std::size_t>(step - s_.first)];
  }

  std::string buffer(int b) {
    used_.insert(b);
    return fmt::format("b{}", b);
  }
  std::string element(const plan::Operand& o, DType dtype) {
    const std::int64_t bytes = o.offset.value() * static_cast<std::int64_t>(item_size(dtype));
    return bytes == 0 ? buffer(o.buffer) : fmt::format("(char*){} + {}", buffer(o.buffer), bytes);
  }

  /// One step in a block of its own: its arguments, then the call.
  std::string step_text(int step, const std::vector<std::string>& buffers,
                        const std::vector<std::string>& sizes, std::int64_t scratch,
                        const std::string& before) {
    const Function f = function_of(part(step));
    std::string text = fmt::format("  {{ // step {}\n{}", step, before);
    std::vector<std::string> all = buffers;
    if (scratch > 0) {
      text += fmt::format("    alignas(64) char scratch[{}];\n", (scratch + 63) / 64 * 64);
      all.emplace_back("scratch");
    }
    text += fmt::format("    void* const arguments[] = {{{}}};\n", fmt::join(all, ", "));
    if (!sizes.empty())
      text += fmt::format("    const i64 numbers[] = {{{}}};\n", fmt::join(sizes, ", "));
    text += fmt::format("    {}::{}(rt, arguments, {});\n  }}\n", f.name,
                        f.is_shared ? "run_again" : "run", sizes.empty() ? "nullptr" : "numbers");
    return text;
  }

  std::string call(int step, const KernelStep& k) {
    const Kernel& kernel = plan_.kernels[static_cast<std::size_t>(k.kernel)];
    is_fallible_ = is_fallible_ || kernel.is_fallible();
    std::vector<std::string> buffers, sizes;
    for (int b : k.buffers) buffers.push_back(buffer(b));
    for (const Dim& d : size_arguments(kernel)) sizes.push_back(std::to_string(d.value()));
    for (std::size_t i = 0; i < draw_arguments(kernel).size(); ++i)
      sizes.push_back(fmt::format("sizes[{}]", draws_++));
    for (std::uint64_t bits : constant_arguments(kernel))
      sizes.push_back(fmt::format("(i64)0x{:x}u", bits));
    return step_text(step, buffers, sizes, scratch_offsets(kernel).back().value(), "");
  }

  std::string call(int step, const ContractionStep& c) {
    const ContractionShape shape = product_shape(c, vector_bytes_);
    const auto sizes = *shape.known_sizes();
    std::vector<std::string> buffers = {element(c.a, c.dtype), element(c.b, c.dtype), buffer(c.out),
                                        c.alpha ? element(*c.alpha, c.dtype) : "nullptr"};
    std::vector<std::string> numbers;
    for (std::int64_t n : sizes.in_order()) numbers.push_back(std::to_string(n));
    std::string before;
    if (c.c && *c.c != c.out)
      before = fmt::format("    __builtin_memcpy({}, {}, {});\n", buffer(c.out), buffer(*c.c),
                           sizes.m * sizes.c_row * static_cast<std::int64_t>(item_size(c.dtype)));
    return step_text(step, buffers, numbers,
                     contraction_work_bytes(shape, possible_schemes(shape)[0], sizes, 1), before);
  }

  std::string entry(const std::string& steps) const {
    std::string text = "\nextern \"C\" void kernel(const Runtime* rt, void* const* buffers, "
                       "const i64* sizes) {\n";
    std::set<int> given = used_;
    for (const auto& [b, bytes] : s_.locals) {
      given.erase(b);
      text += fmt::format("  alignas(64) char b{}[{}];\n", b, bytes);
    }
    for (int b : given) text += fmt::format("  void* const b{0} = buffers[{0}];\n", b);
    return text + steps + "}\n";
  }

  const Plan& plan_;
  const Sequence& s_;
  std::span<const CpuSchedule> schedules_;
  int vector_bytes_;
  std::vector<KernelPart> parts_of_steps_;
  std::map<std::string, int> uses_;
  std::map<std::string, Function> names_;
  std::string parts_;
  std::set<int> used_;
  int draws_ = 0;
  bool is_fallible_ = false;
  std::vector<std::pair<int, ir::NodeId>> lines_;
};

} // namespace

KernelSource render_sequence(const Plan& plan, const Sequence& sequence,
                             std::span<const CpuSchedule> schedules, int vector_bytes) {
  return SequenceText(plan, sequence, schedules, vector_bytes).run();
}

} // namespace kroton::codegen
