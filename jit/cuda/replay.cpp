#include "jit/cuda/replay.hpp"

#include <algorithm>
#include <utility>

#include "lib/support/log.hpp"

namespace kroton::jit::cuda {
namespace {

/// How many nodes may be given new arguments for the price of making one node of another graph.
constexpr std::size_t updates_per_node = 4;

} // namespace

void Replays::forget() noexcept {
  for (Kept& k : kept_) k = {};
  has_come_before_ = false;
  updates_ = 0;
}

Replays::Kept* Replays::kept_for(std::span<const Address> addresses) {
  for (Kept& k : kept_)
    if (k.graph && std::ranges::equal(k.addresses, addresses)) return &k;
  return nullptr;
}

/// The graph of which the fewest nodes change, changed; or another one, when changing has cost as
/// much as that. Null if there is none.
Replays::Kept* Replays::changed_for(std::span<const Address> addresses, const Steps& steps) {
  Kept *nearest = nullptr, *unused = nullptr;
  std::size_t fewest = 0;
  for (Kept& k : kept_) {
    if (!k.graph) {
      unused = unused ? unused : &k;
      continue;
    }
    changed_.resize(addresses.size());
    for (std::size_t i = 0; i < addresses.size(); ++i)
      changed_[i] = static_cast<char>(k.addresses[i] != addresses[i]);
    const std::size_t nodes = k.graph->nodes_using(steps, changed_);
    if (nearest && nodes >= fewest) continue;
    nearest = &k;
    fewest = nodes;
    std::swap(changed_, best_);
  }
  if (!nearest) return make(*unused, addresses, steps);
  updates_ += fewest;
  if (unused && updates_ > updates_per_node * nearest->graph->nodes())
    return make(*unused, addresses, steps);
  if (steps.overlap(best_)) return make(*nearest, addresses, steps);
  std::unique_ptr<StepGraph> graph = std::move(nearest->graph); // gone if this fails
  if (graph->update(steps, best_) != Result::success) return make(*nearest, addresses, steps);
  nearest->graph = std::move(graph);
  nearest->addresses.assign(addresses.begin(), addresses.end());
  return nearest;
}

Replays::Kept* Replays::make(Kept& kept, std::span<const Address> addresses, const Steps& steps) {
  kept = {};
  updates_ = 0;
  auto graph = std::make_unique<StepGraph>(gpu_, capturing_);
  const Result result = graph->make(steps);
  if (is_sticky(result)) gpu_.fail(result, "making a graph");
  if (result != Result::success) {
    is_off_ = true;
    support::log(support::Area::jit)
        ->debug("cuda:{}: work does not become a graph: {}", gpu_.facts().index, describe(result));
    return nullptr;
  }
  kept.graph = std::move(graph);
  kept.addresses.assign(addresses.begin(), addresses.end());
  return &kept;
}

void Replays::run(std::span<const Address> addresses, Queue& queue, const Steps& steps) {
  const auto kept = [&]() -> Kept* {
    if (is_off_ || !std::exchange(has_come_before_, true)) return nullptr;
    Kept* const same = kept_for(addresses);
    return same ? same : changed_for(addresses, steps);
  };
  if (const Kept* k = kept())
    return gpu_.check(k->graph->launch(queue.stream()), "launching a graph");
  OnStream sink(queue.stream());
  for (std::size_t i = 0; i < steps.count(); ++i) steps.run(i, sink);
}

} // namespace kroton::jit::cuda
