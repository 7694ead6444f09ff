#pragma once
/// Arrays on their way between devices.
///
///   Array there = copy_to_gpu(a, Gpu::get(1));
#include <kroton/array.hpp>

#include "jit/cuda/memory.hpp"

namespace kroton::jit::cuda {

/// The array if it is on the device already, dense, as kernels take it; else a dense copy there.
/// Elements that are on a device go through host memory only if their layout asks for too many
/// copies. Throws DeviceError.
Array copy_to_gpu(const Array& array, Gpu& gpu);

} // namespace kroton::jit::cuda
