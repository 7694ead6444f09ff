#pragma once
/// The second index of the cache: finished plans with their code, by what they are made from, so
/// that a function which anyone made before is neither rewritten nor rendered.
///
///   PlanLookup lookup = find_plan(store, plan_key(inputs), signature, leaves, *backend);
///   if (!lookup.found) keep_plan(store, key, bound, kernels, *backend);
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "jit/bound/bound_plan.hpp"
#include "jit/compile/kernels.hpp"
#include "jit/bound/leaves.hpp"

namespace kroton::jit {

struct PlanLookup {
  struct Found {
    BoundPlan plan;
    std::vector<LoadedKernel> kernels; ///< those of the plan, in its order
  };
  std::optional<Found> found;
  cache::Outcome outcome = cache::Outcome::made;
  std::string level;       ///< which shared level had it
  std::string miss_reason; ///< if none was found
};

/// What is wrong with an entry is a miss, and logged.
PlanLookup find_plan(cache::Store& store, const cache::Key& key, const Signature& signature,
                     const Leaves& leaves, const Backend& backend);

/// Publishes a plan with the code of its kernels.
void keep_plan(cache::Store& store, const cache::Key& key, const BoundPlan& plan,
               std::span<const LoadedKernel> kernels, const Backend& backend);

} // namespace kroton::jit
