/// What a Function says about itself: source, statistics, the story of its compilation.
#include <algorithm>
#include <map>
#include <set>

#include "codegen/prelude/prelude.hpp"
#include "jit/function/function_state.hpp"
#include "jit/report/amounts.hpp"
#include "jit/report/widening.hpp"

namespace kroton::jit {

namespace {

/// Indices of kernels, equal ones once, without those that are parts of another.
std::vector<std::size_t> distinct_kernels(const Program& program,
                                          std::span<const LoadedKernel> kernels) {
  std::vector<std::size_t> distinct;
  std::set<support::Digest> seen;
  for (std::size_t i = 0; i < kernels.size(); ++i)
    if (!(program.has_sequences() && program.kernels()[i].is_deferred) &&
        seen.insert(kernels[i].digest).second)
      distinct.push_back(i);
  return distinct;
}

bool is_made(const LoadedKernel& k) { return k.code && k.outcome == cache::Outcome::made; }

/// "compiled", "disk", the shared level that had it, or "deferred".
std::string origin_of(const LoadedKernel& k) {
  if (!k.code) return "deferred";
  if (k.outcome == cache::Outcome::shared) return k.level;
  return is_made(k) ? "compiled" : std::string(cache::to_string(k.outcome));
}

/// "batch=32, x axis 1=16": what a version is for.
std::string describe_sizes(const Assumptions& assumptions, const Signature& signature) {
  std::string text;
  std::set<std::string> seen;
  std::size_t next = 0;
  for (std::size_t i = 0; i < signature.inputs.size(); ++i) {
    const Expr& input = signature.inputs[i];
    for (std::size_t a = 0; a < input.shape().size(); ++a) {
      const Dim& d = input.shape()[a];
      if (next == assumptions.sizes.size() || d.node() != assumptions.sizes[next].dim.node())
        continue;
      const std::int64_t value = assumptions.sizes[next++].value;
      const std::string& name = input.node()->name;
      const std::string label =
          !d.node()->name.empty()
              ? d.node()->name
              : fmt::format("{} axis {}", name.empty() ? fmt::format("argument {}", i) : name, a);
      if (seen.insert(label).second)
        text += fmt::format("{}{}={}", text.empty() ? "" : ", ", label, value);
    }
  }
  return text;
}

VersionStats stats_of(const Compiled& version, const Signature& signature) {
  VersionStats s;
  s.sizes = describe_sizes(version.assumptions, signature);
  const std::vector<LoadedKernel> loaded = version.program->loaded();
  for (std::size_t i : distinct_kernels(*version.program, loaded)) {
    ++s.kernels;
    if (is_made(loaded[i])) ++s.compiled;
  }
  s.ms = version.total_ms;
  s.is_background = version.is_background;
  return s;
}

/// The texts of some programs as one: what kernels take from the prelude once, in front.
class SourceText {
public:
  explicit SourceText(codegen::Dialect dialect) : dialect_(dialect) {}

  void add(std::string text) { pieces_.push_back({std::move(text), {}, {}}); }
  void add(const Program& p) {
    const std::vector<LoadedKernel> loaded = p.loaded();
    for (std::size_t i : distinct_kernels(p, loaded)) {
      codegen::WithoutPrelude own = codegen::without_prelude(*p.texts().kernels[i].text, dialect_);
      names_.insert(own.names.begin(), own.names.end());
      add(fmt::format("\n// ---- kernel {:.12}{}\n", loaded[i].digest.hex(),
                      loaded[i].code ? "" : ", deferred"));
      pieces_.push_back({std::move(own.text), p.texts().notes[i], std::move(own.removed)});
    }
  }

  std::string text() const {
    const std::vector<std::string_view> names(names_.begin(), names_.end());
    std::string text;
    if (!names.empty())
      text =
          "// ---- functions that the kernels below use\n" + codegen::prelude_for(names, dialect_);
    for (const Piece& piece : pieces_) {
      const auto before = static_cast<int>(std::ranges::count(text, '\n'));
      text += piece.text;
      if (piece.notes.empty()) continue;
      text += "\n// Where lines of this text come from:\n";
      for (const auto& [line, what] : piece.notes) {
        int gone = 0;
        for (const auto& [at, lines] : piece.removed) gone += at < line ? lines : 0;
        text += fmt::format("//   line {}: {}\n", before + line - gone, what);
      }
    }
    return text;
  }

private:
  struct Piece {
    std::string text;
    std::vector<std::pair<int, std::string>> notes; ///< lines counted in the text as it was
    std::vector<std::pair<int, int>> removed;
  };
  codegen::Dialect dialect_;
  std::set<std::string_view> names_;
  std::vector<Piece> pieces_;
};

/// What was not fused, by reason: one line for each, however many pairs of ops it holds for.
std::string not_fused(const plan::Plan& plan) {
  struct Pairs {
    std::string why;
    std::vector<std::string> which; ///< each once
    int count = 0;
  };
  std::vector<Pairs> reasons;
  for (const plan::Cut& c : plan.cuts) {
    auto of = std::ranges::find(reasons, c.why, &Pairs::why);
    if (of == reasons.end()) of = reasons.insert(of, Pairs{std::string(c.why), {}});
    ++of->count;
    const ir::GraphNode &from = plan.graph[c.producer], &to = plan.graph[c.consumer];
    std::string pair =
        fmt::format("{} ({}) into {} ({})", from.op->name, support::describe(from.where),
                    to.op->name, support::describe(to.where));
    if (std::ranges::find(of->which, pair) == of->which.end()) of->which.push_back(std::move(pair));
  }
  std::string text = reasons.empty() ? "" : "\nnot fused\n";
  constexpr std::size_t most = 4;
  for (const Pairs& r : reasons)
    text += fmt::format(
        "  {} x {}: {}{}\n", r.count, r.why,
        fmt::join(r.which.begin(),
                  r.which.begin() + static_cast<std::ptrdiff_t>(std::min(most, r.which.size())),
                  ", "),
        r.which.size() > most ? fmt::format(" and {} more places", r.which.size() - most) : "");
  return text;
}

} // namespace

FunctionStats FunctionState::stats() const {
  const Compiled& general = compiled();
  FunctionStats s;
  s.name = signature().name;
  s.plan_origin = general.plan_outcome == cache::Outcome::shared
                      ? general.plan_level
                      : cache::to_string(general.plan_outcome);
  s.plan_miss_reason = general.plan_miss_reason;
  if (const Derivation* d = general.origin->known()) {
    s.rewrite_ms = d->rewrite_ms;
    s.plan_ms = d->plan_ms;
  }
  s.compile_ms = general.compile_ms;
  s.total_ms = general.total_ms;
  s.calls = calls_.load(std::memory_order_relaxed);
  s.packed_arguments = versions_->packed_arguments();
  const Program& program = *general.program;
  const std::vector<LoadedKernel> loaded = program.loaded();
  for (std::size_t i : distinct_kernels(program, loaded)) {
    const LoadedKernel& k = loaded[i];
    ++s.kernels;
    (!k.code ? s.deferred : is_made(k) ? s.compiled : s.loaded_from_cache) += 1;
    s.per_kernel.push_back({program.kernels()[i].title, k.digest.hex(), is_made(k), origin_of(k),
                            std::chrono::duration<double, std::milli>(k.took).count(),
                            k.miss_reason});
  }
  for (const auto& version : versions_->special())
    s.versions.push_back(stats_of(*version, signature()));
  return s;
}

std::string FunctionState::source() const {
  const Program& general = *compiled().program;
  SourceText text(general.texts().device ? codegen::Dialect::cuda : codegen::Dialect::cpu);
  text.add(general);
  for (const auto& version : versions_->special()) {
    text.add(fmt::format("\n// ==== version for {}\n",
                         describe_sizes(version->assumptions, signature())));
    text.add(*version->program);
  }
  return text.text();
}

std::string FunctionState::explain() const {
  const FunctionStats told = stats();
  const Program& p = *compiled().program;
  const plan::Plan& plan = p.plan();
  std::string text =
      fmt::format("function {} ({})\n\n", signature().name, support::describe(signature().where));
  const std::vector<std::string> wide = widenings(signature());
  if (!wide.empty()) text += fmt::format("widened\n  {}\n\n", fmt::join(wide, "\n  "));
  text += "rules fired\n";
  std::map<std::string_view, std::pair<int, std::set<std::string>>> fired;
  for (const rewrite::Application& a : compiled().origin->get().report.applications) {
    auto& [count, places] = fired[a.rule];
    ++count;
    if (places.size() < 4) places.insert(fmt::format("{} at {}", a.op, support::describe(a.where)));
  }
  if (fired.empty()) text += "  none\n";
  for (const auto& [rule, what] : fired)
    text += fmt::format("  {:<28} {:>4} x   {}\n", rule, what.first, fmt::join(what.second, ", "));

  text += "\noptimised graph\n" + plan.graph.to_string();
  text += "\nfusion groups\n";
  for (std::size_t i = 0; i < plan.groups.size(); ++i) {
    const plan::Group& g = plan.groups[i];
    std::vector<std::string> members;
    for (const plan::Member& m : g.members)
      members.push_back(std::string(plan.graph[m.id].op->name));
    text += fmt::format("  kernel {}: {} over {}, {} row ax{}, {} stage{}: {}\n", i,
                        plan.kernels[i].title, ir::dims::to_string(g.axes), g.rows,
                        g.rows == 1 ? "is" : "es", g.levels, g.levels == 1 ? "" : "s",
                        fmt::join(members, " "));
  }
  text += not_fused(plan);
  text += "\n" + plan.to_string();
  text += "\nkernels\n";
  const std::vector<std::size_t> distinct = distinct_kernels(p, p.loaded());
  for (std::size_t i = 0; i < distinct.size(); ++i) {
    const KernelStats& k = told.per_kernel[i];
    text += k.origin == "deferred"
                ? fmt::format("  {:.12} {:<18} deferred until sizes want it\n", k.digest, k.title)
                : fmt::format("  {:.12} {:<18} {} in {:.2f} ms{}\n", k.digest, k.title, k.origin,
                              k.ms, k.miss_reason.empty() ? "" : " (" + k.miss_reason + ")");
    if (const std::string& schedule = p.texts().kernels[distinct[i]].schedule; !schedule.empty())
      text += fmt::format("               {}\n", schedule);
  }
  text += fmt::format("\nplan {}{}\n", told.plan_origin,
                      told.plan_miss_reason.empty() ? "" : " (" + told.plan_miss_reason + ")");
  text +=
      fmt::format("\ntimes: rewrite {:.2f} ms, plan {:.2f} ms, code {:.2f} ms, in all {:.2f} ms\n",
                  told.rewrite_ms, told.plan_ms, told.compile_ms, told.total_ms);
  if (!told.versions.empty()) text += "\nversions for certain sizes\n";
  for (const VersionStats& v : told.versions)
    text += fmt::format("  {}: {} kernel{}, {} compiled, {:.2f} ms {}\n", v.sizes, v.kernels,
                        v.kernels == 1 ? "" : "s", v.compiled, v.ms,
                        v.is_background ? "in the background" : "while a call waited");
  return text;
}

std::string FunctionState::explain(std::span<const Array> arguments) const {
  const std::string amounts = measured_amounts(*versions_, arguments);
  return explain() + amounts;
}

} // namespace kroton::jit
