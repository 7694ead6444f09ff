#include "jit/cuda/transfer.hpp"

namespace kroton::jit::cuda {
namespace {

/// From the memory of another device. Whoever uses the copy next waits for it, the host does not.
Array copy_between(const Memory& from, const Array& array, Gpu& gpu) {
  Array result = new_array(gpu, array.dtype(), array.shape(), gpu.pool().owner("arrays"));
  Memory& to = *memory_of(result);
  const Gpu::Current current(gpu);
  const std::lock_guard lock(gpu.copy_mutex());
  Queue& queue = gpu.copy_queue();
  from.wait_to_read(queue);
  to.wait_to_write(queue);
  const auto address = reinterpret_cast<Address>(data::address_of(array));
  if (array.nbytes() > 0)
    gpu.check(driver().cuMemcpyPeerAsync(to.device_address(), gpu.context(), address,
                                         from.gpu().context(), array.nbytes(), queue.stream()),
              "copying between devices");
  const Position end = queue.mark();
  from.note_read(end);
  to.note_write(end);
  return result;
}

} // namespace

Array copy_to_gpu(const Array& array, Gpu& gpu) {
  const Memory* memory = memory_of(array);
  if (memory && &memory->gpu() == &gpu && usable_address(array) != 0) return array;
  if (memory && &memory->gpu() != &gpu && array.is_contiguous())
    return copy_between(*memory, array, gpu);
  const Array host = array.to_host().contiguous();
  Array result = new_array(gpu, host.dtype(), host.shape(), gpu.pool().owner("arrays"));
  memory_of(result)->fill(static_cast<const std::byte*>(std::as_const(host).raw()), 0,
                          host.nbytes());
  return result;
}

} // namespace kroton::jit::cuda
