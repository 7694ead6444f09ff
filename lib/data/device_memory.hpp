#pragma once
/// Elements that lie in a device's memory, and arrays of them.
///
///   class CudaMemory : public data::DeviceMemory { … };                  // in jit/cuda
///   Array a = data::device_array(memory, DType::f32, {600, 784});
///   data::address_of(a.slice(0, 10));                                    // on the device
///   a.at<float>({0, 0});                                                 // fetches, once
///
/// A view of an array on a device is one too, made without a copy. The host reads the elements
/// through a mirror that stays with the memory.
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>

#include <kroton/array.hpp>

namespace kroton::data {

/// A block of a device's memory. Reading it from several threads is safe; whoever writes it while
/// another thread reads needs a lock, as with any array.
class DeviceMemory {
public:
  DeviceMemory() = default;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  virtual ~DeviceMemory();

  virtual Device device() const noexcept = 0;
  /// Its first byte, on the device.
  virtual std::byte* address() const noexcept = 0;
  virtual std::size_t nbytes() const noexcept = 0;
  /// Copies `nbytes` bytes from `offset` on to host memory, after all work on this memory that was
  /// asked for earlier; returns when they are there. Throws DeviceError.
  virtual void fetch(std::byte* to, std::size_t offset, std::size_t nbytes) const = 0;
  /// The other way; returns when `from` may change. Throws DeviceError.
  virtual void fill(const std::byte* from, std::size_t offset, std::size_t nbytes) = 0;
  /// Waits until its device has nothing to do, work of other libraries included: then memory may
  /// change hands. Throws DeviceError.
  virtual void synchronize() const = 0;

  /// All its bytes in host memory, fetched by the first call and by the first one after
  /// `drop_mirror`; the address stays the same as long as the memory lives. Throws DeviceError.
  const std::byte* mirror() const;
  /// To be called by whoever has written the memory, or has asked the device to: what the mirror
  /// holds is not read any more.
  void drop_mirror() noexcept { is_mirrored_.store(false, std::memory_order_release); }

private:
  mutable std::mutex mutex_; ///< held while fetching
  mutable std::byte* mirror_ = nullptr;
  mutable std::size_t mirror_nbytes_ = 0;
  mutable std::atomic<bool> is_mirrored_ = false;
};

/// A dense array of the elements at the start of `memory`. Throws ShapeError as `Array::empty`
/// does; the memory must have room for them.
Array device_array(std::shared_ptr<DeviceMemory> memory, DType dtype, Shape shape,
                   Location where = Location::current());

/// The memory that the array's elements lie in, which lives as long as the array or any view of it;
/// null for an array in host memory.
DeviceMemory* device_memory(const Array& array) noexcept;

/// Element [0, …, 0], where it lies: dereferenced only on the array's device.
std::byte* address_of(const Array& array) noexcept;

/// What `copy_elements` does for arrays of one dtype and shape, of which at least one lies on a
/// device: elements go through host memory.
void copy_from_device(Array& to, const Array& from, const Location& where);
void copy_to_device(const Array& to, const Array& from, const Location& where);

} // namespace kroton::data
