#pragma once
/// Elements in a device's memory, out of its pool, and the pinned memory that they pass through.
///
///   auto memory = std::make_shared<Memory>(gpu, nbytes, gpu.pool().owner("train"));
///   memory->wait_to_write(queue); … memory->note_write(queue.mark());
///   Array a = data::device_array(memory, DType::f32, {600, 784});
#include <array>
#include <cstddef>
#include <memory>
#include <mutex>

#include "jit/cuda/gpu.hpp"
#include "lib/data/device_memory.hpp"

namespace kroton::jit::cuda {

class Memory : public data::DeviceMemory {
public:
  /// Throws DeviceError when memory is short.
  Memory(Gpu& gpu, std::size_t nbytes, int owner);
  /// Takes another library's memory in; `owner` is let go when no work uses it.
  Memory(Gpu& gpu, Address address, std::size_t nbytes, std::shared_ptr<void> owner);
  /// Gives the block back at once, work that uses it goes on; waits for that where the memory is
  /// another library's.
  ~Memory() override;

  Device device() const noexcept override { return {Device::cuda, gpu_.facts().index}; }
  std::byte* address() const noexcept override {
    return reinterpret_cast<std::byte*>(block_.address);
  }
  std::size_t nbytes() const noexcept override { return nbytes_; }
  void fetch(std::byte* to, std::size_t offset, std::size_t nbytes) const override;
  void fill(const std::byte* from, std::size_t offset, std::size_t nbytes) override;
  void synchronize() const override;

  Gpu& gpu() const noexcept { return gpu_; }
  Address device_address() const noexcept { return block_.address; }
  /// Work that is put on `queue` from now on may read, or write, the memory.
  void wait_to_read(Queue& queue) const;
  void wait_to_write(Queue& queue) const;
  /// Such work was put there, and ends before `position`. After a write the host's mirror is
  /// dropped.
  void note_read(const Position& position) const;
  void note_write(const Position& position);

private:
  Gpu& gpu_;
  const std::size_t nbytes_;
  mutable std::mutex mutex_; ///< of the block's uses
  mutable Block block_;
  std::shared_ptr<void> foreign_owner_;
};

/// What kernels may take for granted of every pointer.
inline constexpr std::size_t kernel_alignment = 16;

/// The memory on a CUDA device that the array's elements lie in; null for any other array.
Memory* memory_of(const Array& array) noexcept;
/// Where the array's elements lie on its device, if kernels can use them there; else 0.
Address usable_address(const Array& array) noexcept;

/// A dense array in new memory of the device.
Array new_array(Gpu& gpu, DType dtype, Shape shape, int owner);

/// Pinned host memory that host arguments are gathered in before one copy takes them to the device.
/// Several pieces take turns, so that the host may run ahead of the device.
class Staging {
public:
  explicit Staging(Gpu& gpu) : gpu_(gpu) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging();

  /// At least `nbytes` bytes that no copy reads any more.
  std::byte* next(std::size_t nbytes);
  /// The copy out of what `next` gave was just put on the queue.
  void note_copy(Queue& queue);

private:
  struct Piece {
    std::byte* memory = nullptr;
    std::size_t nbytes = 0;
    Event copied = nullptr;
    bool is_in_use = false;
  };

  Gpu& gpu_;
  std::array<Piece, 3> pieces_;
  std::size_t current_ = 0;
};

} // namespace kroton::jit::cuda
