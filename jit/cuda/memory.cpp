#include "jit/cuda/memory.hpp"

#include <thread>
#include <utility>

namespace kroton::jit::cuda {

Memory::Memory(Gpu& gpu, std::size_t nbytes, int owner)
    : gpu_(gpu), nbytes_(nbytes), block_(gpu.pool().take(nbytes, owner)) {}

Memory::Memory(Gpu& gpu, Address address, std::size_t nbytes, std::shared_ptr<void> owner)
    : gpu_(gpu), nbytes_(nbytes), block_{.address = address, .nbytes = nbytes},
      foreign_owner_(std::move(owner)) {}

Memory::~Memory() {
  if (!foreign_owner_) {
    gpu_.pool().give(std::move(block_));
    return;
  }
  try {
    block_.uses.synchronize();
  } catch (const Error&) { // whoever used the memory is told
  }
}

void Memory::fetch(std::byte* to, std::size_t offset, std::size_t nbytes) const {
  if (nbytes == 0) return;
  const Gpu::Current current(gpu_);
  const std::lock_guard lock(gpu_.copy_mutex());
  Queue& queue = gpu_.copy_queue();
  wait_to_read(queue);
  gpu_.check(driver().cuMemcpyDtoHAsync_v2(to, block_.address + offset, nbytes, queue.stream()),
             "copying to the host");
  queue.mark();
  queue.synchronize();
}

void Memory::fill(const std::byte* from, std::size_t offset, std::size_t nbytes) {
  drop_mirror();
  if (nbytes == 0) return;
  const Gpu::Current current(gpu_);
  const std::lock_guard lock(gpu_.copy_mutex());
  Queue& queue = gpu_.copy_queue();
  wait_to_write(queue);
  gpu_.check(driver().cuMemcpyHtoDAsync_v2(block_.address + offset, from, nbytes, queue.stream()),
             "copying to the device");
  note_write(queue.mark());
  queue.synchronize();
}

void Memory::synchronize() const {
  const Gpu::Current current(gpu_);
  gpu_.synchronize();
  // Refused while any thread captures a stream, which takes it no longer than launching its work.
  Result result = driver().cuCtxSynchronize();
  for (; result == Result::stream_capture_unsupported; result = driver().cuCtxSynchronize())
    std::this_thread::yield();
  gpu_.check(result, "waiting for the device");
}

void Memory::wait_to_read(Queue& queue) const {
  const std::lock_guard lock(mutex_);
  block_.uses.wait_to_read(queue);
}

void Memory::wait_to_write(Queue& queue) const {
  const std::lock_guard lock(mutex_);
  block_.uses.wait_to_write(queue);
}

void Memory::note_read(const Position& position) const {
  const std::lock_guard lock(mutex_);
  block_.uses.note_read(position);
}

void Memory::note_write(const Position& position) {
  {
    const std::lock_guard lock(mutex_);
    block_.uses.note_write(position);
  }
  drop_mirror();
}

Memory* memory_of(const Array& array) noexcept {
  return dynamic_cast<Memory*>(data::device_memory(array));
}

Address usable_address(const Array& array) noexcept {
  const auto address = reinterpret_cast<Address>(data::address_of(array));
  return array.is_contiguous() && address % kernel_alignment == 0 ? address : 0;
}

Array new_array(Gpu& gpu, DType dtype, Shape shape, int owner) {
  std::size_t nbytes = item_size(dtype);
  for (std::int64_t d : shape) nbytes *= static_cast<std::size_t>(d);
  return data::device_array(std::make_shared<Memory>(gpu, nbytes, owner), dtype, std::move(shape));
}

Staging::~Staging() {
  try {
    const Gpu::Current current(gpu_);
    for (const Piece& p : pieces_) {
      if (p.is_in_use) driver().cuEventSynchronize(p.copied);
      if (p.copied) driver().cuEventDestroy_v2(p.copied);
      if (p.memory) driver().cuMemFreeHost(p.memory);
    }
  } catch (const DeviceError&) {
    // Without its context the device takes nothing back.
  }
}

std::byte* Staging::next(std::size_t nbytes) {
  current_ = (current_ + 1) % pieces_.size();
  Piece& p = pieces_[current_];
  const Driver& cu = driver();
  if (!p.copied) gpu_.check(cu.cuEventCreate(&p.copied, event_disable_timing), "making an event");
  if (p.is_in_use) gpu_.check(cu.cuEventSynchronize(p.copied), "waiting for a copy");
  p.is_in_use = false;
  if (p.nbytes >= nbytes) return p.memory;
  if (p.memory) gpu_.check(cu.cuMemFreeHost(std::exchange(p.memory, nullptr)), "freeing memory");
  p.nbytes = 0;
  void* memory = nullptr;
  gpu_.check(cu.cuMemAllocHost_v2(&memory, nbytes), "allocating pinned memory");
  p.memory = static_cast<std::byte*>(memory);
  p.nbytes = nbytes;
  return p.memory;
}

void Staging::note_copy(Queue& queue) {
  Piece& p = pieces_[current_];
  gpu_.check(driver().cuEventRecord(p.copied, queue.stream()), "recording an event");
  p.is_in_use = true;
}

} // namespace kroton::jit::cuda
