#pragma once
/// Elements that are in a device's memory, and arrays of them.
///
///   class CudaMemory : public data::DeviceMemory { … };                  // in jit/cuda
///   Array a = data::device_array(memory, DType::f32, {600, 784});
///   data::address_of(a.slice(0, 10));                                    // on the device
///   a.at<float>({0, 0});                                                 // fetches, once
///
/// A view of an array on a device is one too, made without a copy. The host reads the elements
/// through a mirror that stays with the memory. Once it has been asked for a pointer to write them,
/// the mirror is where they are, for good, since nobody knows how long such a pointer is used: see
/// ADR 0026. All arrays of the memory are arrays of the host's then.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include <kroton/array.hpp>

#include "lib/data/strided.hpp"

namespace kroton::data {

/// Elements on their way from one place on a device to another, which do not overlap.
struct DeviceCopy {
  Walk walk;
  std::size_t item = 0; ///< bytes of an element
  std::byte* to = nullptr;
  const std::byte* from = nullptr; ///< element [0, …, 0] of both
};

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
  /// Copies elements out of `from`, after all work on both memories that was asked for earlier; the
  /// host does not wait. False, and nothing done, where devices cannot do it. Throws DeviceError.
  virtual bool copy_from([[maybe_unused]] const DeviceMemory& from,
                         [[maybe_unused]] const DeviceCopy& copy) {
    return false;
  }
  /// Waits until its device has nothing to do, work of other libraries included: then memory may
  /// change hands. Throws DeviceError.
  virtual void synchronize() const = 0;

  /// All its bytes in host memory, fetched by the first call and by the first one after
  /// `drop_mirror`; the address stays the same as long as the memory lives. Throws DeviceError.
  const std::byte* mirror() const;
  /// To be called by whoever has written the memory, or has asked the device to: what the mirror
  /// holds is not read any more. Of elements that are on the host, nothing is lost.
  void drop_mirror() noexcept {
    // Nobody else writes meanwhile: what is a write of its own need not be one operation.
    version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    State state = State::mirrored;
    if (state_.load(std::memory_order_acquire) == state) [[unlikely]]
      state_.compare_exchange_strong(state, State::on_device, std::memory_order_acq_rel);
  }
  /// Another number after every write.
  std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }

  /// Makes the mirror, fetched if it must be, the place of the elements; null if another library
  /// has the memory. Throws DeviceError.
  std::byte* move_to_host();
  bool is_on_host() const noexcept {
    return state_.load(std::memory_order_acquire) == State::on_host;
  }

  /// Another library has the memory on the device too, as many times as this was called, and
  /// `take_back` not. False, and nothing done, if the elements are on the host.
  bool lend();
  void take_back() noexcept;
  bool is_lent() const noexcept { return lent_.load(std::memory_order_acquire) > 0; }

private:
  enum class State : std::uint8_t {
    on_device, ///< what the mirror holds is not read
    mirrored,  ///< on both
    on_host,   ///< for good
  };
  void fetch_all() const; // holding the lock

  mutable std::mutex mutex_; ///< held while fetching
  mutable std::byte* mirror_ = nullptr;
  mutable std::size_t mirror_nbytes_ = 0;
  mutable std::atomic<State> state_ = State::on_device;
  std::atomic<int> lent_ = 0; ///< changes under the lock
  std::atomic<std::uint64_t> version_ = 0;
};

/// A dense array of the elements at the start of `memory`. Throws ShapeError as `Array::empty`
/// does; the memory must have room for them.
Array device_array(std::shared_ptr<DeviceMemory> memory, DType dtype, Shape shape,
                   Location where = Location::current());

/// The memory that the array's elements are in, which lives as long as the array or any view of it;
/// null for an array in host memory, and for one that was moved there.
DeviceMemory* device_memory(const Array& array) noexcept;

/// Element [0, …, 0] of an array in host memory, or in that of a device: dereferenced only there.
/// An address on the device for one that was moved, too: whoever found it on the device just
/// before, while another thread moved it, may continue reading there what both places hold.
std::byte* address_of(const Array& array) noexcept;

/// What `copy_elements` does for arrays of one dtype and shape, of which at least one is on a
/// device: elements go through host memory where devices cannot copy them.
void copy_from_device(Array& to, const Array& from, const Location& where);
void copy_to_device(const Array& to, const Array& from, const Location& where);

} // namespace kroton::data
