#pragma once
/// What `from_dlpack` does, for any way of reaching memory on devices.
///
///   Array a = data::take_dlpack(tensor, adopt, where);     // adopt: see below
#include <functional>
#include <memory>

#include <kroton/dlpack.hpp>

#include "lib/data/device_memory.hpp"

namespace kroton::data {

/// Another library's memory on a device.
struct ForeignMemory {
  Device device;
  std::byte* address = nullptr;
  std::size_t nbytes = 0;
  std::shared_ptr<void> owner; ///< To be let go when no work on the memory is left to do.
};
/// Makes it usable. Throws DeviceError if the device is not there.
using Adopt = std::function<std::shared_ptr<DeviceMemory>(const ForeignMemory&)>;

/// Takes the tensor as `from_dlpack` says, which stands where devices are known. Without `adopt`,
/// only from host memory.
Array take_dlpack(DLManagedTensor* tensor, const Adopt& adopt, const Location& where);

} // namespace kroton::data
