#pragma once
/// Elements in a device's memory, out of its pool, and the pinned memory that they pass through.
///
///   auto memory = std::make_shared<Memory>(gpu, nbytes, gpu.pool().owner("train"));
///   memory->wait_to_write(queue); … memory->note_write(queue.mark());
///   Array a = data::device_array(memory, DType::f32, {600, 784});
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>

#include "jit/cuda/gpu.hpp"
#include "lib/data/device_memory.hpp"
#include "lib/support/interval.hpp"
#include "lib/support/shared_mutex.hpp"

namespace kroton::jit::cuda {

class Memory final : public data::DeviceMemory {
public:
  /// Throws DeviceError when memory is short.
  Memory(Gpu& gpu, std::size_t nbytes, int owner);
  /// Takes another library's memory in; `owner` is let go when no work uses it.
  Memory(Gpu& gpu, Address address, std::size_t nbytes, std::shared_ptr<void> owner);
  /// Gives the block back at once, work that uses it continues; waits for that where the memory is
  /// another library's.
  ~Memory() override;

  Device device() const noexcept override { return {Device::cuda, gpu_.facts().index}; }
  std::byte* address() const noexcept override {
    return reinterpret_cast<std::byte*>(block_.address);
  }
  std::size_t nbytes() const noexcept override { return nbytes_; }
  void fetch(std::byte* to, std::size_t offset, std::size_t nbytes) const override;
  void fill(const std::byte* from, std::size_t offset, std::size_t nbytes) override;
  bool copy_from(const data::DeviceMemory& from, const data::DeviceCopy& copy) override;
  void synchronize() const override;

  Gpu& gpu() const noexcept { return gpu_; }
  Address device_address() const noexcept { return block_.address; }
  /// Work that is put on `queue` from now on may read, or write, the memory.
  void wait_to_read(Queue& queue) const {
    if (!is_steady_on(&queue)) wait(queue, &Uses::wait_to_read);
  }
  void wait_to_write(Queue& queue) const {
    if (!is_steady_on(&queue)) wait(queue, &Uses::wait_to_write);
  }
  /// Such work was put there, and ends before `position`. After a write the host's mirror is
  /// dropped.
  void note_read(const Position& position) const {
    if (!is_steady_on(position.queue)) note(position, &Uses::note_read);
  }
  void note_write(const Position& position) {
    if (!is_steady_on(position.queue)) note(position, &Uses::note_write);
    drop_mirror();
  }

  /// What all its elements are among, as integers or bool of `dtype`. The host knows what it
  /// fetched since the last write: small memory when it is first asked for, waiting for what writes
  /// it; larger one when it is asked for again. Nullopt where it does not know, and for memory that
  /// another library may write.
  std::optional<support::Interval> interval(DType dtype) const;
  /// The same as far as it is known without fetching.
  std::optional<support::Interval> known_interval(DType dtype) const;
  /// Tells what all its elements are among since the last write.
  void know_interval(DType dtype, const support::Interval& interval);

private:
  /// What was found out of the elements.
  struct Elements {
    DType dtype = DType::bool_;
    std::uint64_t version = 0;
    bool were_asked_for = false;
    std::optional<support::Interval> interval;
  };
  support::Interval fetched_interval(DType dtype) const;
  void take_interval_of(const Memory& other);

  bool is_steady_on(const Queue* queue) const noexcept {
    return steady_.load(std::memory_order_seq_cst) == queue;
  }
  void wait(Queue& queue, void (Uses::*how)(Queue&) const) const;
  void note(const Position& position, void (Uses::*how)(const Position&)) const;
  void end_steady() const;

  Gpu& gpu_;
  const std::size_t nbytes_;
  mutable support::SharedMutex mutex_; ///< of what follows
  mutable Block block_;
  mutable Elements elements_;
  /// Memory that one queue alone uses again and again, such as a variable that a loop trains, is in
  /// use by all that was put on that queue: nothing is noted, and only what another queue does
  /// takes the lock. Null: the uses tell all.
  mutable std::atomic<Queue*> steady_{nullptr};
  std::shared_ptr<void> foreign_owner_;
};

/// What kernels may take for granted of every pointer.
inline constexpr std::size_t kernel_alignment = 16;

/// The memory on a CUDA device that the array's elements are in; null for any other array.
Memory* memory_of(const Array& array) noexcept;

/// Where an array's elements are.
struct Place {
  Memory* memory = nullptr; ///< as `memory_of` says
  Address address = 0;      ///< in it, if kernels can use them there; else 0
};
Place place_of(const Array& array) noexcept;

/// A dense array in new memory of the device.
Array new_array(Gpu& gpu, DType dtype, Shape shape, int owner);

/// Pinned host memory that host arguments are gathered in before one copy takes them to the device.
/// Pieces are cut off parts that take turns, so that the host may run ahead of the device, and the
/// driver is asked how far the device is once a part, not once a piece.
class Staging {
public:
  /// Of the copies of one queue, which has none left when the object goes.
  explicit Staging(Queue& queue) : queue_(queue) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging();

  /// At least `nbytes` bytes that no copy reads any more. The copy out of what was given last must
  /// be on the queue.
  std::byte* next(std::size_t nbytes);

private:
  struct Part {
    std::byte* memory = nullptr;
    std::size_t nbytes = 0, used = 0;
    Event copied = nullptr; ///< recorded behind the last copy out of it, when the next part's turn
                            ///< comes
  };
  static constexpr std::size_t least_part = std::size_t{256} << 10;
  void leave(Part& part);
  void enter(Part& part, std::size_t nbytes);

  Queue& queue_;
  std::array<Part, 3> parts_;
  std::size_t current_ = 0;
};

} // namespace kroton::jit::cuda
