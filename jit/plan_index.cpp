#include "jit/plan_index.hpp"

#include <unordered_map>

#include "jit/plan_file.hpp"
#include "lib/support/error.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit {
namespace {

constexpr std::string_view plan_section = "plan", object_section = "object",
                           summary_section = "summary";

/// Numbers the distinct kernels of a plan in order of first use.
class Distinct {
public:
  /// The kernel's number, and whether this is its first use.
  std::pair<std::size_t, bool> add(const support::Digest& digest) {
    const auto [it, is_new] = numbers_.emplace(digest, numbers_.size());
    return {it->second, is_new};
  }

private:
  std::unordered_map<support::Digest, std::size_t, support::DigestHash> numbers_;
};

/// The kernels of a plan; throws CompileError for an object that is none.
std::vector<LoadedKernel> load(const BoundPlan& plan, const cache::Lookup& lookup) {
  const auto& sections = lookup.artifact->sections;
  std::vector<LoadedKernel> kernels;
  kernels.reserve(plan.kernels.size());
  Distinct distinct;
  for (const BoundPlan::Kernel& k : plan.kernels) {
    // Objects follow the plan.
    const std::size_t section = 1 + distinct.add(k.digest).first;
    if (section >= sections.size() || sections[section].name != object_section ||
        sections[section].encoding != cache::Encoding::plain)
      support::fail<CompileError>("cache", {}, "the object of kernel {} is missing",
                                  k.digest.hex());
    kernels.push_back(load_kernel(k.digest, sections[section].bytes, k.title));
    kernels.back().outcome = lookup.outcome;
    kernels.back().level = lookup.level;
    kernels.back().took = lookup.took;
  }
  return kernels;
}

/// For people: all titles in a line, then the digest and title of each distinct kernel.
std::string summary_of(const BoundPlan& plan) {
  std::string titles, lines;
  Distinct distinct;
  for (const BoundPlan::Kernel& k : plan.kernels) {
    if (!distinct.add(k.digest).second) continue;
    titles += (titles.empty() ? "" : "; ") + k.title;
    lines += fmt::format("{} {}\n", k.digest.hex(), k.title);
  }
  return fmt::format("plan: {}\n{}", titles.empty() ? "no kernels" : titles, lines);
}

} // namespace

PlanLookup find_plan(cache::Store& store, const cache::Key& key, const Signature& signature,
                     const Leaves& leaves) {
  const cache::Lookup lookup = store.look_up(key);
  PlanLookup result{std::nullopt, lookup.outcome, lookup.level, lookup.miss_reason};
  if (!lookup.artifact) return result;
  try {
    const cache::Section* section = lookup.artifact->find(plan_section);
    auto plan = section && section->encoding == cache::Encoding::plain
                    ? read_plan(section->bytes, key.digest)
                    : std::nullopt;
    if (!plan || !fits(*plan, signature, leaves))
      support::fail<CompileError>("cache", {}, "it is no plan of this function");
    auto kernels = load(*plan, lookup);
    result.found.emplace(std::move(*plan), std::move(kernels));
  } catch (const CompileError& error) {
    result.miss_reason = fmt::format("entry unusable: {}", error.what());
    support::log(support::Area::cache)
        ->warn("plan {:.12} of {}: {}", key.digest.hex(), signature.name, result.miss_reason);
  }
  return result;
}

void keep_plan(cache::Store& store, const cache::Key& key, const BoundPlan& plan,
               std::span<const LoadedKernel> kernels, std::string requirements) {
  cache::Artifact artifact{{{std::string(plan_section), write_plan(plan, key.digest)}},
                           std::move(requirements)};
  Distinct distinct;
  for (const LoadedKernel& k : kernels)
    if (distinct.add(k.digest).second)
      artifact.sections.push_back(
          {std::string(object_section), k.artifact->find(object_section)->bytes});
  artifact.sections.push_back({std::string(summary_section), summary_of(plan)});
  store.publish(key, std::move(artifact));
}

} // namespace kroton::jit
