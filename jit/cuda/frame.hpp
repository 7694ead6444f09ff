#pragma once
/// What one call of a CudaProgram works with.
#include <array>
#include <cstddef>
#include <deque>
#include <vector>

#include "jit/cuda/program.hpp"
#include "jit/cuda/replay.hpp"

namespace kroton::jit::cuda {

/// The failure records that kernels fill in (codegen/cuda/cuda.hpp) are read as these.
static_assert(sizeof(ir::Failure) == 24 && offsetof(ir::Failure, kind) == 0 &&
              offsetof(ir::Failure, site) == 4 && offsetof(ir::Failure, value) == 8 &&
              offsetof(ir::Failure, bound) == 16);

/// Memory that only grows, unless it is to be exact, of one queue's work.
class DeviceWorkspace {
public:
  DeviceWorkspace(Queue& queue, int owner) : queue_(queue), owner_(owner) {}
  DeviceWorkspace(const DeviceWorkspace&) = delete;
  DeviceWorkspace& operator=(const DeviceWorkspace&) = delete;
  ~DeviceWorkspace() { let_go(); }

  /// Where the memory begins; 0 if none was ever needed.
  Address reserve(std::size_t nbytes);

private:
  void let_go() noexcept {
    if (memory_) memory_->note_write(queue_.mark());
  }

  Queue& queue_;
  const int owner_;
  std::unique_ptr<Memory> memory_;
};

/// Pinned host memory of a fixed size.
class Pinned {
public:
  Pinned(Gpu& gpu, std::size_t nbytes);
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  ~Pinned();
  void* memory() const noexcept { return memory_; }

private:
  void* memory_ = nullptr;
};

struct CudaProgram::CudaFrame : Frame {
  CudaFrame(Gpu& gpu, const std::string& user, int owner, std::size_t records,
            std::size_t counters);
  ~CudaFrame() override;

  /// Makes the counters of blocks 0, which they are again after every launch.
  void clear_counters();

  /// The launch of a stage for the current sizes; without one, nothing of it is launched.
  struct Chosen {
    const bound::Launch* launch = nullptr;
    EntryPoint entry = nullptr;
    unsigned blocks = 0, shared_bytes = 0;
  };
  /// A host argument on its way to the device.
  struct Staged {
    int buffer = -1;
    Array host;
    std::size_t offset = 0; ///< in `staged_memory`
  };

  /// What the elements of a memory are among when the call is done.
  struct KnownResult {
    Memory* memory = nullptr;
    DType dtype = DType::i64;
    support::Interval interval;
  };

  Gpu& gpu;
  Queue& queue;
  std::vector<Address> buffers;             ///< one for each buffer of the plan
  std::vector<std::int64_t> laid_out;       ///< the sizes that what follows is for
  std::vector<Chosen> chosen;               ///< one for each stage of each step
  std::vector<Product> products;            ///< of each matrix product
  std::vector<void*> parameters;            ///< of all steps: where each argument's value is
  std::vector<std::size_t> first_parameter; ///< of each step, then the end
  std::vector<std::size_t> buffer_bytes;    ///< of each buffer
  std::vector<std::size_t> scratch_bytes;   ///< what each step works in …
  std::vector<Address> scratch_addresses;   ///< … and where that is
  Address records_address = 0;
  std::vector<Address> record_addresses, counter_addresses;

  DeviceWorkspace arena, scratch, staged_memory, records, counters;
  std::deque<DeviceWorkspace> slots; ///< of the arena, one by one, where memory is exact
  Staging staging;
  Pinned host_failure_records; ///< copies of those on the device
  Replays until_check, after_check, whole;

  // Of the current call.
  std::vector<const Memory*> reads;
  std::vector<Memory*> writes;
  std::vector<Staged> staged;
  std::vector<support::Interval> leaf_intervals, intervals; ///< see RangeCode
  std::vector<KnownResult> known_results;
  std::vector<Array> alive_until_enqueued;     ///< arguments copied for this call
  std::vector<std::pair<Array, Array>> copies; ///< given outputs, and what to copy into each
};

} // namespace kroton::jit::cuda
