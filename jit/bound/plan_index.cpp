#include "jit/bound/plan_index.hpp"

#include <algorithm>
#include <unordered_map>

#include "jit/bound/plan_file.hpp"
#include "lib/support/error.hpp"
#include "lib/support/log.hpp"
#include "lib/support/match.hpp"

namespace kroton::jit {
namespace {

constexpr std::string_view plan_section = "plan", summary_section = "summary";

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

/// The functions of each object that a device launches. Whether launches name kernels that there
/// are is checked later.
std::vector<std::vector<std::string>>
entries_of(const BoundPlan& plan, std::span<const std::size_t> object_of, std::size_t objects) {
  std::vector<std::vector<std::string>> entries(objects);
  const auto add = [&](const std::vector<bound::Launch>& launches) {
    for (const bound::Launch& l : launches) {
      const auto kernel = static_cast<std::size_t>(l.code);
      if (kernel < object_of.size() && object_of[kernel] < objects)
        entries[object_of[kernel]].push_back(l.entry);
    }
  };
  const auto add_step = [&](const bound::DeviceStep& s) {
    add(s.launches);
    support::match(
        s.what, [](const bound::DeviceKernel&) {},
        [&](const bound::DeviceProduct& p) {
          if (p.epilogue) add(p.epilogue->launches);
        },
        [](const bound::DeviceCall&) {});
  };
  support::match(
      plan.steps, [](const std::vector<bound::CpuStep>&) {},
      [&](const std::vector<bound::DeviceStep>& steps) { std::ranges::for_each(steps, add_step); });
  return entries;
}

/// The kernels of a plan; throws CompileError for an object that is none.
std::vector<LoadedKernel> load(const BoundPlan& plan, const cache::Artifact& artifact,
                               const Backend& backend) {
  constexpr auto none = static_cast<std::size_t>(-1);
  Distinct distinct;
  std::vector<KernelObject> objects;
  std::vector<std::size_t> object_of;
  for (const BoundPlan::Kernel& k : plan.kernels) {
    if (k.is_deferred) {
      object_of.push_back(none);
      continue;
    }
    const auto [number, is_new] = distinct.add(k.digest);
    object_of.push_back(number);
    if (!is_new) continue;
    // Code follows the plan.
    const std::size_t first = 1 + number * backend.code_sections().size();
    objects.push_back({k.digest, code_of(artifact, first, backend, k.digest), k.title});
  }
  const auto entries = entries_of(plan, object_of, objects.size());
  for (std::size_t i = 0; i < objects.size(); ++i) objects[i].entries = entries[i];
  const std::vector<LoadedKernel> loaded = load_kernels(objects, backend);
  std::vector<LoadedKernel> kernels;
  kernels.reserve(object_of.size());
  for (std::size_t i = 0; i < object_of.size(); ++i)
    kernels.push_back(object_of[i] == none
                          ? LoadedKernel{.code = nullptr, .digest = plan.kernels[i].digest}
                          : loaded[object_of[i]]);
  return kernels;
}

/// For people: all titles in a line, then the digest and title of each distinct kernel.
std::string summary_of(const BoundPlan& plan) {
  std::string titles, lines;
  Distinct distinct;
  for (const BoundPlan::Kernel& k : plan.kernels) {
    if (k.is_deferred || !distinct.add(k.digest).second) continue;
    titles += (titles.empty() ? "" : "; ") + k.title;
    lines += fmt::format("{} {}\n", k.digest.hex(), k.title);
  }
  return fmt::format("plan: {}\n{}", titles.empty() ? "no kernels" : titles, lines);
}

/// A plan with its code, as it is attached to its artifact: a function that is made again while the
/// process remembers the artifact needs neither files nor the linker.
struct Ready {
  BoundPlan plan;
  std::vector<LoadedKernel> kernels;
};

/// What was made of an artifact before, or is now. Throws CompileError.
std::shared_ptr<const Ready> ready(const cache::Artifact& artifact, const cache::Key& key,
                                   const Backend& backend) {
  if (auto known = artifact.attachment.get()) return std::static_pointer_cast<const Ready>(known);
  const cache::Section* section = artifact.find(plan_section);
  auto plan = section && section->encoding == cache::Encoding::plain
                  ? read_plan(section->bytes, key.digest)
                  : std::nullopt;
  if (!plan) support::fail<CompileError>("cache", {}, "it is no plan of this function");
  auto kernels = load(*plan, artifact, backend);
  auto made = std::make_shared<const Ready>(std::move(*plan), std::move(kernels));
  artifact.attachment.set(made);
  return made;
}

} // namespace

PlanLookup find_plan(cache::Store& store, const cache::Key& key, const Signature& signature,
                     const Leaves& leaves, const Backend& backend) {
  const cache::Lookup lookup = store.look_up(key);
  PlanLookup result{std::nullopt, lookup.outcome, lookup.level, lookup.miss_reason};
  if (!lookup.artifact) return result;
  try {
    const auto whole = ready(*lookup.artifact, key, backend);
    if (!fits(whole->plan, signature, leaves, backend.is_device()))
      support::fail<CompileError>("cache", {}, "it is no plan of this function");
    auto& kernels = result.found.emplace(whole->plan, whole->kernels).kernels;
    for (LoadedKernel& k : kernels) {
      k.outcome = lookup.outcome;
      k.level = lookup.level;
      k.took = lookup.took;
    }
  } catch (const CompileError& error) {
    result.miss_reason = fmt::format("entry unusable: {}", error.what());
    support::log(support::Area::cache)
        ->warn("plan {:.12} of {}: {}", key.digest.hex(), signature.name, result.miss_reason);
  }
  return result;
}

void keep_plan(cache::Store& store, const cache::Key& key, const BoundPlan& plan,
               std::span<const LoadedKernel> kernels, const Backend& backend) {
  cache::Artifact artifact{{{std::string(plan_section), write_plan(plan, key.digest)}},
                           backend.requirements()};
  Distinct distinct;
  for (const LoadedKernel& k : kernels)
    if (k.code && distinct.add(k.digest).second)
      for (const cache::Section& section : code_of(*k.artifact, 0, backend, k.digest))
        artifact.sections.push_back(section);
  artifact.sections.push_back({std::string(summary_section), summary_of(plan)});
  std::vector<LoadedKernel> code;
  for (const LoadedKernel& k : kernels) code.push_back({.code = k.code, .digest = k.digest});
  artifact.attachment.set(std::make_shared<const Ready>(plan, std::move(code)));
  store.publish(key, std::move(artifact));
}

} // namespace kroton::jit
