#pragma once
/// Work that comes again with the same addresses is captured into a CUDA graph and launched as one.
///
///   replays.run(addresses, queue, [&](Stream stream) { … launches … });
///
/// The first time the work is put on the queue step by step, the second time it is captured. A call
/// whose outputs lie elsewhere than those of the last one alternates between few sets of addresses,
/// as memory out of the pool comes back; so several graphs are kept. ADR 0018 has the reasons.
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "jit/cuda/gpu.hpp"

namespace kroton::jit::cuda {

/// Of one piece of work, on one queue.
class Replays {
public:
  explicit Replays(Gpu& gpu) : gpu_(gpu) {}
  Replays(const Replays&) = delete;
  Replays& operator=(const Replays&) = delete;
  ~Replays();

  using Work = std::function<void(Stream)>;
  /// Does the work on the queue. What it does depends on the addresses alone, until `forget`.
  void run(std::span<const Address> addresses, Queue& queue, const Work& work);
  /// The work is another from now on.
  void forget() noexcept;

  std::uint64_t launches() const noexcept { return launches_; }

private:
  struct Kept {
    std::vector<Address> addresses; ///< empty: none yet
    int times = 0;                  ///< they came
    GraphExec exec = nullptr;       ///< perhaps for other addresses …
    bool is_current = false;        ///< … unless this holds
    std::uint64_t last_used = 0;
  };
  Kept& kept_for(std::span<const Address> addresses);
  /// False if the work cannot be captured; then nothing has been done.
  bool capture(Kept& kept, const Work& work);

  Gpu& gpu_;
  std::array<Kept, 4> kept_;
  Stream capturing_ = nullptr;
  bool is_off_ = false; ///< capturing failed once
  std::uint64_t clock_ = 0, launches_ = 0;
};

} // namespace kroton::jit::cuda
