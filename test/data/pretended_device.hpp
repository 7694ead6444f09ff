#pragma once
/// A device that is none: its memory is the host's, under addresses that cannot be read, so that
/// code which takes an address on a device for one of the host's ends at once.
///
///   auto memory = std::make_shared<PretendedMemory>(24);
///   Array a = data::device_array(memory, DType::f32, {2, 3});
///   memory->fetches                                              // 0
#include <algorithm>
#include <new>
#include <vector>

#include <sys/mman.h>

#include "lib/data/device_memory.hpp"

namespace kroton::test {

class PretendedMemory : public data::DeviceMemory {
public:
  explicit PretendedMemory(std::size_t nbytes, Device device = {Device::cuda, 0},
                           std::byte* address = nullptr)
      : bytes(nbytes), device_(device), address_(address ? address : reserve(nbytes + 1)),
        is_own_(address == nullptr) {}
  ~PretendedMemory() override {
    if (is_own_) ::munmap(address_, bytes.size() + 1);
  }

  Device device() const noexcept override { return device_; }
  std::byte* address() const noexcept override { return address_; }
  std::size_t nbytes() const noexcept override { return bytes.size(); }
  void fetch(std::byte* to, std::size_t offset, std::size_t nbytes) const override {
    if (is_failing) throw DeviceError({"fetch", "the device is gone", "", ""});
    ++fetches;
    fetched_nbytes += nbytes;
    std::copy_n(bytes.data() + offset, nbytes, to);
  }
  void fill(const std::byte* from, std::size_t offset, std::size_t nbytes) override {
    if (is_failing) throw DeviceError({"fill", "the device is gone", "", ""});
    ++fills;
    std::copy_n(from, nbytes, bytes.data() + offset);
  }
  void synchronize() const override { ++synchronizations; }

  std::vector<std::byte> bytes; ///< what the device holds
  bool is_failing = false;
  mutable int fetches = 0, synchronizations = 0;
  mutable std::size_t fetched_nbytes = 0;
  int fills = 0;

private:
  static std::byte* reserve(std::size_t nbytes) {
    void* mapped = ::mmap(nullptr, nbytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    return static_cast<std::byte*>(mapped);
  }

  Device device_;
  std::byte* address_;
  bool is_own_;
};

/// An array on a pretended device with the elements of `values`.
struct OnDevice {
  explicit OnDevice(const Array& values, Device device = {Device::cuda, 0})
      : memory(std::make_shared<PretendedMemory>(values.nbytes(), device)),
        array(data::device_array(memory, values.dtype(), values.shape())) {
    const Array dense = values.contiguous();
    std::copy_n(static_cast<const std::byte*>(dense.raw()), dense.nbytes(), memory->bytes.data());
  }

  std::shared_ptr<PretendedMemory> memory;
  Array array;
};

} // namespace kroton::test
