/// The functions of <kroton/devices.hpp> that need a driver.
#include <kroton/devices.hpp>

#include "jit/cuda/transfer.hpp"

namespace kroton {

using jit::cuda::Gpu;

namespace {

/// The device if it was used before; null otherwise, and for the host.
Gpu* used(Device device) {
  if (device.kind == Device::cuda)
    for (Gpu* gpu : Gpu::all())
      if (gpu->facts().index == device.index) return gpu;
  return nullptr;
}

} // namespace

int device_count() { return jit::cuda::driver_problem().empty() ? jit::cuda::gpu_count() : 0; }

Array to_device(const Array& array, Device device) {
  if (device.kind == Device::cpu) return array.to_host(Location{});
  return jit::cuda::copy_to_gpu(array, Gpu::get(device.index));
}

DeviceMemoryStats device_memory_stats(Device device) {
  Gpu* gpu = used(device);
  if (!gpu) return {};
  const jit::cuda::PoolStats s = gpu->pool().stats();
  return {s.in_use, s.kept, s.peak, s.taken, s.reused};
}

std::size_t trim(Device device) {
  Gpu* gpu = used(device);
  return gpu ? gpu->pool().trim() : 0;
}

void synchronize(Device device) {
  if (Gpu* gpu = used(device)) {
    const Gpu::Current current(*gpu);
    gpu->synchronize();
  }
}

} // namespace kroton
