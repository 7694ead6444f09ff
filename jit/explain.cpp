/// What a Function says about itself: source, statistics, the story of its compilation.
#include <map>
#include <set>

#include "jit/function_state.hpp"
#include "lib/ops/ops.hpp"

namespace kroton::jit {

FunctionStats FunctionState::stats() const {
  FunctionStats s;
  s.name = signature_.name;
  s.rewrite_ms = compiled_.rewrite_ms;
  s.plan_ms = compiled_.plan_ms;
  s.compile_ms = compiled_.compile_ms;
  s.total_ms = total_ms_;
  s.calls = calls_.load(std::memory_order_relaxed);
  s.packed_arguments = compiled_.program->packed_arguments();
  std::set<std::string> seen;
  const auto& loaded = compiled_.program->loaded();
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    const LoadedKernel& k = loaded[i];
    if (!seen.insert(k.digest).second) continue;
    const bool made = k.outcome == cache::Outcome::made;
    ++s.kernels;
    (made ? s.compiled : s.loaded_from_cache) += 1;
    s.per_kernel.push_back({compiled_.program->texts()[i].title, k.digest, made,
                            made ? "compiled" : std::string(cache::to_string(k.outcome)),
                            std::chrono::duration<double, std::milli>(k.took).count(),
                            k.miss_reason});
  }
  return s;
}

std::string FunctionState::source() const {
  const Program& p = *compiled_.program;
  std::string text;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < p.texts().size(); ++i) {
    if (!seen.insert(p.loaded()[i].digest).second) continue;
    text +=
        fmt::format("{}// ---- kernel {:.12}\n", text.empty() ? "" : "\n", p.loaded()[i].digest);
    text += p.texts()[i].text;
    if (p.notes()[i].empty()) continue;
    text += "\n// Where the lines of this kernel come from:\n";
    for (const auto& [line, what] : p.notes()[i])
      text += fmt::format("//   line {}: {}\n", line, what);
  }
  return text;
}

std::string FunctionState::explain() const {
  const Program& p = *compiled_.program;
  const plan::Plan& plan = p.plan();
  std::string text = fmt::format("function {} ({})\n\nrules fired\n", signature_.name,
                                 support::describe(signature_.where));
  std::map<std::string_view, std::pair<int, std::set<std::string>>> fired;
  for (const rewrite::Application& a : compiled_.report.applications) {
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
  if (!plan.cuts.empty()) text += "\nnot fused\n";
  for (const plan::Cut& c : plan.cuts)
    text += fmt::format("  {} ({}) into {} ({}): {}\n", plan.graph[c.producer].op->name,
                        support::describe(plan.graph[c.producer].where),
                        plan.graph[c.consumer].op->name,
                        support::describe(plan.graph[c.consumer].where), c.why);
  text += "\n" + plan.to_string();
  text += "\nkernels\n";
  for (const KernelStats& k : stats().per_kernel)
    text += fmt::format("  {:.12} {:<18} {} in {:.2f} ms{}\n", k.digest, k.title, k.origin, k.ms,
                        k.miss_reason.empty() ? "" : " (" + k.miss_reason + ")");
  text +=
      fmt::format("\ntimes: rewrite {:.2f} ms, plan {:.2f} ms, code {:.2f} ms, in all {:.2f} ms\n",
                  compiled_.rewrite_ms, compiled_.plan_ms, compiled_.compile_ms, total_ms_);
  return text;
}

} // namespace kroton::jit
