#pragma once
/// Work that comes again is made a CUDA graph, and launched as one.
///
///   replays.run(addresses, queue, steps);
///
/// The first time the steps are put on the queue one by one, the second time they become a graph.
/// Where buffers are elsewhere than in the last call, the nodes that use them are given the new
/// addresses. Few sets of addresses that alternate, as memory out of the pool and two places of a
/// variable do, soon have a graph each. ADR 0025 has the reasons.
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "jit/cuda/graph.hpp"

namespace kroton::jit::cuda {

/// Of one piece of work, on one queue.
class Replays {
public:
  explicit Replays(Gpu& gpu) : gpu_(gpu), capturing_(gpu) {}
  Replays(const Replays&) = delete;
  Replays& operator=(const Replays&) = delete;

  /// Does the steps on the queue. What they do depends on the buffers' addresses alone, until
  /// `forget`.
  void run(std::span<const Address> addresses, Queue& queue, const Steps& steps);
  /// The work is another from now on.
  void forget() noexcept;

private:
  struct Kept {
    std::vector<Address> addresses;   ///< those that the graph is for
    std::unique_ptr<StepGraph> graph; ///< null: none yet
  };
  Kept* kept_for(std::span<const Address> addresses);
  Kept* changed_for(std::span<const Address> addresses, const Steps& steps);
  Kept* make(Kept& kept, std::span<const Address> addresses, const Steps& steps);

  Gpu& gpu_;
  CaptureStream capturing_;
  std::array<Kept, 4> kept_;
  bool has_come_before_ = false;
  std::size_t updates_ = 0;          ///< of nodes since the last graph was made
  std::vector<char> changed_, best_; ///< buffers that are elsewhere than in a graph
  bool is_off_ = false;              ///< making a graph failed once
};

} // namespace kroton::jit::cuda
