#pragma once
/// The machine's devices: copying arrays there, their memory, waiting for them.
///
///   if (kt::device_count() > 0) {
///     kt::Array x = kt::to_device(batch, kt::parse_device("cuda"));
///     kt::device_memory_stats(x.device()).in_use;
///   }
#include <cstddef>
#include <cstdint>

#include <kroton/array.hpp>

namespace kroton {

/// How many CUDA devices the process sees; 0 without a driver.
int device_count();

/// The array itself if it is on `device` already, dense; else a dense copy there. The host waits
/// only for copies from its own memory: `Array x = to_device(batch, parse_device("cuda"))`. Throws
/// DeviceError for a device that is not there, or whose memory is short.
Array to_device(const Array& array, Device device);

/// What Kroton holds of a device's memory, in bytes.
struct DeviceMemoryStats {
  std::size_t in_use = 0;   ///< by arrays, constants and functions' working memory
  std::size_t kept = 0;     ///< for the next who ask; `trim` gives it back
  std::size_t peak = 0;     ///< the most that both together came to
  std::uint64_t taken = 0;  ///< blocks that were asked for, ever …
  std::uint64_t reused = 0; ///< … and of them those that were kept ones
};
/// `device_memory_stats(parse_device("cuda")).in_use`; all 0 for a device that was not used yet,
/// and for the host.
DeviceMemoryStats device_memory_stats(Device device);

/// Gives what is kept of a device's memory back to its driver, for other libraries to use; returns
/// the bytes.
std::size_t trim(Device device);

/// Waits until all of Kroton's work on the device is done. Throws DeviceError if it failed.
void synchronize(Device device);

} // namespace kroton
