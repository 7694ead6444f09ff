/// A libcuda whose calls take no time and do nothing: what a program with it needs is the host's
/// own part of each call. One device; its memory is addresses that nothing is at.
#include <atomic>
#include <cstdint>
#include <cstdlib>

#include "jit/cuda/driver.hpp"

using namespace kroton::jit::cuda;

#define KROTON_IDLE extern "C" __attribute__((visibility("default"))) Result

namespace {

/// Some address that no other handle has.
template <class Handle> Result hand_out(Handle* handle) {
  static std::atomic<std::uintptr_t> next = 1;
  *handle = reinterpret_cast<Handle>(next.fetch_add(1, std::memory_order_relaxed));
  return Result::success;
}

thread_local Context current = nullptr;

} // namespace

KROTON_IDLE cuDriverGetVersion(int* version) {
  *version = 13000;
  return Result::success;
}

KROTON_IDLE cuDeviceGetCount(int* count) {
  *count = 1;
  return Result::success;
}

KROTON_IDLE cuDeviceGet(DeviceNumber* device, int) {
  *device = 0;
  return Result::success;
}

KROTON_IDLE cuDeviceTotalMem_v2(std::size_t* nbytes, DeviceNumber) {
  *nbytes = std::size_t{1} << 36;
  return Result::success;
}

/// A large device of capability 9.0.
KROTON_IDLE cuDeviceGetAttribute(int* value, DeviceAttribute attribute, DeviceNumber) {
  switch (attribute) {
  case DeviceAttribute::capability_major:
    *value = 9;
    break;
  case DeviceAttribute::capability_minor:
    *value = 0;
    break;
  case DeviceAttribute::multiprocessors:
    *value = 132;
    break;
  default:
    *value = 1 << 20;
  }
  return Result::success;
}

KROTON_IDLE cuDevicePrimaryCtxRetain(Context* context, DeviceNumber) { return hand_out(context); }

KROTON_IDLE cuCtxGetCurrent(Context* context) {
  *context = current;
  return Result::success;
}

KROTON_IDLE cuCtxSetCurrent(Context context) {
  current = context;
  return Result::success;
}

KROTON_IDLE cuCtxPushCurrent_v2(Context context) {
  current = context;
  return Result::success;
}

KROTON_IDLE cuCtxPopCurrent_v2(Context* context) {
  *context = current;
  current = nullptr;
  return Result::success;
}

KROTON_IDLE cuStreamCreate(Stream* stream, unsigned) { return hand_out(stream); }
KROTON_IDLE cuEventCreate(Event* event, unsigned) { return hand_out(event); }

KROTON_IDLE cuMemAlloc_v2(Address* address, std::size_t nbytes) {
  static std::atomic<Address> next = Address{1} << 40;
  *address = next.fetch_add((nbytes + 511) / 512 * 512, std::memory_order_relaxed);
  return Result::success;
}

/// Zeros: no kernel has told of a failure.
KROTON_IDLE cuMemAllocHost_v2(void** address, std::size_t nbytes) {
  *address = std::calloc(1, nbytes);
  return *address ? Result::success : Result::out_of_memory;
}

KROTON_IDLE cuMemFreeHost(void* address) {
  std::free(address);
  return Result::success;
}

KROTON_IDLE cuLibraryLoadData(LibraryCode* library, const void*, int*, void**, unsigned, int*,
                              void**, unsigned) {
  return hand_out(library);
}

KROTON_IDLE cuLibraryGetKernel(Kernel* kernel, LibraryCode, const char*) {
  return hand_out(kernel);
}

KROTON_IDLE cuKernelGetFunction(EntryPoint* function, Kernel) { return hand_out(function); }

KROTON_IDLE cuGraphCreate(Graph* graph, unsigned) { return hand_out(graph); }

KROTON_IDLE cuGraphInstantiateWithFlags(GraphExec* exec, Graph, unsigned long long) {
  return hand_out(exec);
}
