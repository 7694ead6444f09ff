#include "bench/device_copy.hpp"

#include "bench/case.hpp"
#include "jit/cuda/memory.hpp"

namespace bench {

namespace cuda = kroton::jit::cuda;

struct DeviceCopy::State {
  State(int index, std::size_t nbytes)
      : gpu(cuda::Gpu::get(index)), from(gpu, nbytes, gpu.pool().owner("copy")),
        to(gpu, nbytes, gpu.pool().owner("copy")) {}

  cuda::Gpu& gpu;
  cuda::Memory from, to;
};

DeviceCopy::DeviceCopy(kroton::Device device, std::size_t nbytes)
    : state_(std::make_shared<State>(device.index, nbytes)) {}

double DeviceCopy::time(long repetitions) const {
  const auto address = [](const cuda::Memory& m) {
    return reinterpret_cast<cuda::Address>(m.address());
  };
  cuda::Gpu& gpu = state_->gpu;
  const cuda::Gpu::Current current(gpu);
  cuda::Queue& queue = gpu.take_queue("copy");
  const auto start = Clock::now();
  for (long i = 0; i < repetitions; ++i)
    gpu.check(cuda::driver().cuMemcpyDtoDAsync_v2(address(state_->to), address(state_->from),
                                                  state_->from.nbytes(), queue.stream()),
              "copying on the device");
  queue.mark();
  queue.synchronize();
  const double ns = ns_since(start);
  gpu.give_queue(queue);
  return ns;
}

} // namespace bench
