#pragma once
/// A CUDA device with all that Kroton keeps on it: its primary context, streams and memory.
///
///   Gpu& gpu = Gpu::get(0);                      // DeviceError if there is no such device
///   const Gpu::Current current(gpu);
///   Queue& queue = gpu.take_queue("train");
///
/// Contexts are made when a device is first used and never given back: the driver may be gone when
/// the process's own objects are destroyed.
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "jit/cuda/driver.hpp"
#include "jit/cuda/pool.hpp"
#include "jit/cuda/queue.hpp"

namespace kroton::jit::cuda {

/// The architecture of a compute capability, ten times the major number and the minor one: "sm_90".
std::string architecture_of(int capability);

/// What the driver tells of a device without a context on it.
struct GpuFacts {
  int index = 0;
  DeviceNumber number = 0;
  std::string name;
  int capability_major = 0, capability_minor = 0;
  int multiprocessors = 0;
  int most_blocks = 0;              ///< along x
  std::size_t shared_bytes = 0;     ///< of a block …
  std::size_t shared_by_choice = 0; ///< … and of one whose kernel asks for more
  std::size_t nbytes = 0;           ///< of its memory

  /// "sm_90"
  std::string architecture() const;
  int capability() const noexcept { return 10 * capability_major + capability_minor; }
};

/// The devices of this machine; throws DeviceError if there is no driver.
int gpu_count();
GpuFacts gpu_facts(int index);

class Gpu {
public:
  /// Throws DeviceError for a number that no device has, and in a child of a fork of a process that
  /// used it.
  static Gpu& get(int index);
  /// Those in use.
  static std::vector<Gpu*> all();

  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  const GpuFacts& facts() const noexcept { return facts_; }
  Context context() const noexcept { return context_; }
  Pool& pool() noexcept { return pool_; }

  /// Makes the device's context the thread's, and what was there before at the end. A thread that
  /// has none keeps that of the first device, as with CUDA's own runtime: its next call finds it.
  class Current {
  public:
    explicit Current(Gpu& gpu);
    ~Current();
    Current(const Current&) = delete;
    Current& operator=(const Current&) = delete;

  private:
    bool is_pushed_ = false;
  };

  /// A queue that nobody else puts work on; with no work on it.
  Queue& take_queue(std::string user);
  void give_queue(Queue& queue) noexcept;
  /// In the child of a process that has used a device: nothing of CUDA can be used here.
  static bool is_forked() noexcept;
  /// Throws DeviceError there.
  static void refuse_in_child(int index);
  /// The queue that copies between host and device are made on, one after the other.
  Queue& copy_queue() noexcept { return *copies_; }
  std::mutex& copy_mutex() noexcept { return copy_mutex_; }

  /// Returns when no queue has work. Throws DeviceError.
  void synchronize();

  /// Throws DeviceError for a call that failed, and for every later one if the context is lost.
  void check(Result result, std::string_view what) {
    if (result != Result::success) [[unlikely]]
      fail(result, what);
  }
  [[noreturn]] void fail(Result result, std::string_view what);
  bool is_lost() const noexcept { return is_lost_.load(std::memory_order_acquire); }

private:
  explicit Gpu(GpuFacts facts);
  std::string busy_users() const;

  GpuFacts facts_;
  Context context_ = nullptr;
  Pool pool_;
  std::atomic<bool> is_lost_{false};
  mutable std::mutex mutex_; ///< of what follows
  std::string lost_;         ///< why
  std::deque<Queue> queues_;
  std::vector<Queue*> idle_;
  std::unique_ptr<Queue> copies_;
  std::mutex copy_mutex_;
};

} // namespace kroton::jit::cuda
