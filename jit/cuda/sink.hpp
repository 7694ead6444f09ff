#pragma once
/// Where the work of a step goes: on a stream, or into a graph.
///
///   OnStream sink(queue.stream());
///   gpu.check(sink.clear(address, nbytes), "clearing memory");
#include <functional>

#include "jit/cuda/driver.hpp"

namespace kroton::jit::cuda {

struct KernelLaunch {
  EntryPoint entry = nullptr;
  unsigned blocks = 0, threads = 0, shared_bytes = 0;
  void** parameters = nullptr; ///< where each argument's value is
};

/// What is put into one sink is done in that order.
class Sink {
public:
  Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  virtual ~Sink() = default;

  virtual Result launch(const KernelLaunch& kernel) = 0;
  /// Within the device's memory.
  virtual Result copy(Address to, Address from, std::size_t nbytes) = 0;
  /// Fills with zeros.
  virtual Result clear(Address at, std::size_t nbytes) = 0;
  /// What a library does, which takes nothing but a stream.
  virtual Result put(const std::function<void(Stream)>& work) = 0;
};

class OnStream final : public Sink {
public:
  explicit OnStream(Stream stream) : stream_(stream) {}
  Result launch(const KernelLaunch& k) override {
    return driver().cuLaunchKernel(k.entry, k.blocks, 1, 1, k.threads, 1, 1, k.shared_bytes,
                                   stream_, k.parameters, nullptr);
  }
  Result copy(Address to, Address from, std::size_t nbytes) override {
    return driver().cuMemcpyDtoDAsync_v2(to, from, nbytes, stream_);
  }
  Result clear(Address at, std::size_t nbytes) override {
    return driver().cuMemsetD8Async(at, 0, nbytes, stream_);
  }
  Result put(const std::function<void(Stream)>& work) override {
    work(stream_);
    return Result::success;
  }

private:
  const Stream stream_;
};

} // namespace kroton::jit::cuda
