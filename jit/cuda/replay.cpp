#include "jit/cuda/replay.hpp"

#include <algorithm>

#include <kroton/error.hpp>

#include "lib/support/log.hpp"

namespace kroton::jit::cuda {

Replays::~Replays() {
  try {
    const Gpu::Current current(gpu_);
    for (const Kept& k : kept_)
      if (k.exec) driver().cuGraphExecDestroy(k.exec);
    if (capturing_) driver().cuStreamDestroy_v2(capturing_);
  } catch (const DeviceError&) {
    // Without its context the device takes nothing back.
  }
}

void Replays::forget() noexcept {
  for (Kept& k : kept_) {
    k.addresses.clear();
    k.is_current = false;
    k.times = 0;
    k.last_used = 0;
  }
}

Replays::Kept& Replays::kept_for(std::span<const Address> addresses) {
  for (Kept& k : kept_)
    if (k.times > 0 && std::ranges::equal(k.addresses, addresses)) return k;
  Kept& k = *std::ranges::min_element(kept_, {}, &Kept::last_used);
  k.addresses.assign(addresses.begin(), addresses.end());
  k.times = 0;
  k.is_current = false;
  return k;
}

void Replays::run(std::span<const Address> addresses, Queue& queue, const Work& work) {
  if (is_off_) return work(queue.stream());
  Kept& kept = kept_for(addresses);
  kept.last_used = ++clock_;
  if (++kept.times < 2) return work(queue.stream());
  if (!kept.is_current && !capture(kept, work)) return work(queue.stream());
  gpu_.check(driver().cuGraphLaunch(kept.exec, queue.stream()), "launching a graph");
  ++launches_;
}

bool Replays::capture(Kept& kept, const Work& work) {
  const Driver& cu = driver();
  if (!capturing_)
    gpu_.check(cu.cuStreamCreate(&capturing_, stream_non_blocking), "making a stream");
  Graph graph = nullptr;
  Result result = cu.cuStreamBeginCapture_v2(capturing_, capture_mode_relaxed);
  if (result == Result::success) {
    try {
      work(capturing_);
    } catch (...) {
      if (cu.cuStreamEndCapture(capturing_, &graph) == Result::success && graph)
        cu.cuGraphDestroy(graph);
      throw;
    }
    result = cu.cuStreamEndCapture(capturing_, &graph);
  }
  if (result == Result::success &&
      kept.exec) { // of other addresses: the nodes stay, their arguments change
    GraphUpdateResult told{};
    kept.is_current = cu.cuGraphExecUpdate_v2(kept.exec, graph, &told) == Result::success;
    if (!kept.is_current) {
      cu.cuGraphExecDestroy(kept.exec);
      kept.exec = nullptr;
    }
  }
  if (result == Result::success && !kept.exec) {
    result = cu.cuGraphInstantiateWithFlags(&kept.exec, graph, 0);
    kept.is_current = result == Result::success;
  }
  if (graph) cu.cuGraphDestroy(graph);
  if (is_sticky(result)) gpu_.fail(result, "capturing a graph");
  if (result != Result::success) {
    is_off_ = true;
    support::log(support::Area::jit)
        ->debug("cuda:{}: work is not captured: {}", gpu_.facts().index, describe(result));
  }
  return kept.is_current;
}

} // namespace kroton::jit::cuda
