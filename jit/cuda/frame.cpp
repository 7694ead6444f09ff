#include "jit/cuda/frame.hpp"

#include <algorithm>
#include <bit>

namespace kroton::jit::cuda {

Address DeviceWorkspace::reserve(std::size_t nbytes) {
  const bool fits =
      memory_ && (has_exact_memory() ? memory_->nbytes() == nbytes : memory_->nbytes() >= nbytes);
  if (!fits) {
    if (nbytes == 0) return 0;
    let_go();
    memory_.reset();
    memory_ = std::make_unique<Memory>(queue_.gpu(), nbytes, owner_);
    memory_->wait_to_write(queue_);
  }
  return memory_->device_address();
}

Pinned::Pinned(Gpu& gpu, std::size_t nbytes) {
  if (nbytes > 0)
    gpu.check(driver().cuMemAllocHost_v2(&memory_, nbytes), "allocating pinned memory");
}

Pinned::~Pinned() {
  if (memory_) driver().cuMemFreeHost(memory_);
}

CudaProgram::CudaFrame::CudaFrame(Gpu& gpu_of_frame, const std::string& user, int owner,
                                  std::size_t record_count, std::size_t counter_count)
    : gpu(gpu_of_frame), queue(gpu.take_queue(user)), record_addresses(record_count),
      counter_addresses(counter_count), arena(queue, owner), scratch(queue, owner),
      staged_memory(queue, owner), records(queue, owner), counters(queue, owner), staging(queue),
      host_failure_records(gpu, record_count * sizeof(ir::Failure)), until_check(gpu),
      after_check(gpu), whole(gpu) {}

void CudaProgram::CudaFrame::clear_counters() {
  if (counter_addresses.empty()) return;
  const std::size_t nbytes = counter_addresses.size() * sizeof(std::uint32_t);
  const Address first = counters.reserve(nbytes);
  gpu.check(driver().cuMemsetD8Async(first, 0, nbytes, queue.stream()), "clearing memory");
  for (std::size_t i = 0; i < counter_addresses.size(); ++i)
    counter_addresses[i] = first + i * sizeof(std::uint32_t);
}

/// Kernels and graphs that still run belong to the program, which may go next.
CudaProgram::CudaFrame::~CudaFrame() {
  try {
    const Gpu::Current current(gpu);
    if (queue.is_busy()) queue.synchronize();
  } catch (const Error&) { // whoever uses the device next is told
  }
  gpu.give_queue(queue);
}

} // namespace kroton::jit::cuda
