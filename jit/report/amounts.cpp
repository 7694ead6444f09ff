#include "jit/report/amounts.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "jit/compile/capture.hpp"
#include "lib/ops/basic.hpp"
#include "lib/support/match.hpp"

namespace kroton::jit {
namespace {

using Clock = std::chrono::steady_clock;
using SizeOf = std::function<std::int64_t(const ir::DimNode&)>;

double numel(std::span<const Dim> shape, const SizeOf& size_of) {
  double n = 1;
  for (const Dim& d : shape) n *= static_cast<double>(ir::dims::evaluate(d, size_of));
  return n;
}

/// Of the arrays that a step reads and writes, each counted once a direction: what must be moved if
/// no cache has it. Of an array that is read at some places only, it is more than is read.
double bytes_of(const plan::Plan& plan, const plan::Step& step, const SizeOf& size_of) {
  double bytes = 0;
  const auto add = [&](const plan::Buffer& buffer, std::span<const Dim> shape) {
    bytes += numel(shape, size_of) * static_cast<double>(item_size(buffer.dtype));
  };
  for (const std::vector<int>* buffers : {&step.reads, &step.writes})
    for (int b : *buffers) {
      const plan::Buffer& buffer = plan.buffers[static_cast<std::size_t>(b)];
      if (buffers == &step.reads || !plan::is_join(plan.graph, buffer.node))
        add(buffer, buffer.shape);
      else // parts of it
        for (std::size_t i = 0; i < step.computes.size(); ++i)
          if (step.filled[i] == b) add(buffer, plan.graph[step.computes[i]].type.shape);
    }
  return bytes;
}

/// Each op once for each element that it is computed over, whatever it costs; those that only say
/// where elements are do not count.
double operations_of(const plan::Plan& plan, const plan::KernelStep& step, const SizeOf& size_of) {
  const plan::Group& group = plan.groups[static_cast<std::size_t>(step.kernel)];
  double operations = 0;
  for (const plan::Member& m : group.members) {
    double n = 1;
    for (int axis : m.domain)
      n *= static_cast<double>(
          ir::dims::evaluate(group.axes[static_cast<std::size_t>(axis)], size_of));
    operations += n;
  }
  return operations;
}

double operations_of(const plan::Plan& plan, const plan::Step& step, const SizeOf& size_of) {
  return support::match(
      step.what, [&](const plan::KernelStep& k) { return operations_of(plan, k, size_of); },
      [&](const plan::ContractionStep& c) {
        const double product =
            2 * numel(c.shape, size_of) * static_cast<double>(ir::dims::evaluate(c.k, size_of));
        return product + (c.epilogue ? operations_of(plan, c.epilogue->kernel, size_of) : 0);
      },
      [](const plan::LibraryStep&) { return 0.0; });
}

std::string title_of(const plan::Plan& plan, const plan::Step& step) {
  return support::match(
      step.what,
      [&](const plan::KernelStep& k) {
        return fmt::format("kernel {}: {}", k.kernel,
                           plan.kernels[static_cast<std::size_t>(k.kernel)].title);
      },
      [](const plan::ContractionStep& c) {
        return c.epilogue ? fmt::format("product, kernel {}", c.epilogue->kernel.kernel)
                          : std::string("product");
      },
      [](const plan::LibraryStep& l) { return std::string(l.op->name); });
}

/// "12.3 M": three digits and a decimal prefix.
std::string amount(double x) {
  const char* const prefixes[] = {"", " k", " M", " G", " T"};
  std::size_t p = 0;
  while (x >= 999.5 && p + 1 < std::size(prefixes)) x /= 1000, ++p;
  return fmt::format("{:.3g}{}", x, prefixes[p]);
}

/// The values of the variables that calls change, to be put back.
class Saved {
public:
  explicit Saved(const Signature& s) {
    for (const Update& u : s.updates) values_.emplace_back(u.first, u.first.get());
  }
  Saved(const Saved&) = delete;
  Saved& operator=(const Saved&) = delete;
  ~Saved() {
    for (auto& [variable, value] : values_) variable.set(value);
  }

private:
  std::vector<std::pair<Shared, Array>> values_;
};

struct Amounts {
  std::string title;
  double bytes = 0, operations = 0;
  std::vector<double> seconds;
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

} // namespace

std::string measured_amounts(Versions& versions, std::span<const Array> arguments) {
  constexpr int calls = 7; // the first of them, which finds caches and memory cold, counts as any
  const Saved saved(versions.recipe().signature);
  std::vector<Amounts> steps;
  std::size_t at = 0;
  Clock::time_point begin;
  const plan::Plan* plan = nullptr;
  Program::Watcher watcher;
  watcher.before = [&](const Program::Moment& m) {
    m.finish();
    begin = Clock::now();
  };
  watcher.after = [&](const Program::Moment& m) {
    m.finish();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (at == steps.size())
      steps.push_back({title_of(*plan, m.step),
                       bytes_of(*plan, m.step, m.size_of),
                       operations_of(*plan, m.step, m.size_of),
                       {}});
    steps[at++].seconds.push_back(seconds);
  };
  {
    const Versions::Leased lease(versions, arguments);
    plan = &lease->version->program->plan();
    for (int i = 0; i < calls; ++i) {
      at = 0;
      lease->version->program->run(*lease->frame, arguments, nullptr, &watcher);
    }
  }
  double total = 0;
  for (const Amounts& s : steps) total += median(s.seconds);
  std::string text = fmt::format("\nmeasured, median of {} calls: {:.2f} us in {} steps\n"
                                 "  {:<28} {:>10} {:>6} {:>9} {:>9} {:>9} {:>9}\n",
                                 calls, total * 1e6, steps.size(), "step", "us", "%", "bytes",
                                 "bytes/s", "ops", "ops/s");
  for (const Amounts& s : steps) {
    const double t = std::max(median(s.seconds), 1e-9);
    text += fmt::format("  {:<28} {:>10.2f} {:>6.1f} {:>9} {:>9} {:>9} {:>9}\n", s.title, t * 1e6,
                        100 * t / std::max(total, 1e-9), amount(s.bytes), amount(s.bytes / t),
                        s.operations == 0 ? "" : amount(s.operations),
                        s.operations == 0 ? "" : amount(s.operations / t));
  }
  return text;
}

} // namespace kroton::jit
