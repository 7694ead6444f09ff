#pragma once
/// A device's memory, kept for the next taker.
///
///   Block b = gpu.pool().take(nbytes, gpu.pool().owner("train"));
///   b.uses.wait_to_write(queue); …
///   gpu.pool().give(std::move(b));                // at once: work may still use it
///
/// A block remembers the work that uses it, so it can be given back while that runs, and whoever
/// takes it next waits on the device. ADR 0017 says why the pool is Kroton's own.
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jit/cuda/queue.hpp"
#include "lib/support/shared_mutex.hpp"

namespace kroton::jit::cuda {

/// Whether each array, argument and temporary has memory of its own from the driver, of exactly its
/// bytes: `KROTON_CUDA_EXACT_MEMORY=1`, for tools that know allocations alone and report accesses
/// outside of them.
bool has_exact_memory() noexcept;

/// Memory out of a pool, aligned to 256 bytes.
struct Block {
  Address address = 0;
  std::size_t nbytes = 0; ///< as the pool has it: at least what was asked for
  int owner = 0;
  Uses uses = {};
};

struct PoolStats {
  std::size_t in_use = 0, kept = 0, peak = 0; ///< bytes; `peak` of both together
  std::uint64_t taken = 0;                    ///< blocks
  std::uint64_t reused = 0;                   ///< of them, kept ones
};

/// Safe to use from many threads.
class Pool {
public:
  explicit Pool(Gpu& gpu) : gpu_(gpu) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// The number of a name that memory is held under.
  int owner(std::string_view name);
  /// Throws DeviceError when memory is short even after everything kept was given back; it says
  /// what was asked for and who holds how much.
  Block take(std::size_t nbytes, int owner);
  void give(Block block) noexcept;
  /// Gives back to the driver what is kept; returns its bytes. Waits for work that uses it.
  std::size_t trim();
  PoolStats stats() const;

private:
  struct Owner {
    std::string name;
    std::size_t nbytes = 0;
  };
  [[noreturn]] void out_of_memory(std::size_t nbytes, int owner);

  Gpu& gpu_;
  mutable support::SharedMutex mutex_;
  /// By size, then by address: the lowest is taken first, so that a loop meets the same ones.
  std::map<std::pair<std::size_t, Address>, Block> kept_;
  std::vector<Owner> owners_;
  PoolStats stats_;
};

} // namespace kroton::jit::cuda
