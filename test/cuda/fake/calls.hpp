#pragma once
/// What the functions of the fake libcuda share. Their signatures are those of Kroton's own table.
#include <optional>

#include "test/cuda/fake/state.hpp"

using namespace kroton::jit::cuda; // the types of the signatures

#define KROTON_FAKE_DECLARED(symbol, parameters)                                                   \
  extern "C" __attribute__((visibility("default"))) Result symbol parameters;
KROTON_CUDA_DRIVER_FUNCTIONS(KROTON_FAKE_DECLARED)
#undef KROTON_FAKE_DECLARED

namespace kroton::test::fake {

/// The object, taken from its owner: it dies with what is returned.
template <class T> std::unique_ptr<T> taken(Owned<T>& owned, T* handle) {
  auto node = owned.extract(handle);
  return node ? std::move(node.mapped()) : nullptr;
}

template <class T> T* kept(Owned<T>& owned, std::unique_ptr<T> made) {
  T* const handle = made.get();
  owned.emplace(handle, std::move(made));
  return handle;
}

/// Runs `body` with the stream's context, which need not be the current one: so the programming
/// guide has it for all but launches.
template <class Body> Result call_on(const char* function, CUstream_st* stream, Body body) {
  return state().call_in_context(function, [&](CUctx_st&) -> Result {
    if (!state().is_stream(stream)) return invalid_handle;
    const Result lost = stream->context->device.lost;
    return lost != Result::success ? lost : body(*stream->context);
  });
}

/// Puts a kernel, a copy or a set on a stream or into a graph; null where its arguments are wrong.
using Work = std::optional<Operation>;
Work kernel_work(CUctx_st& context, const KernelNode& kernel);
Work copy_work(Address to, Address from, std::size_t nbytes);
Work set_work(Address to, unsigned char value, std::size_t nbytes);

/// What a fake device says of itself.
int value_of(jit::cuda::DeviceAttribute attribute, const DeviceState& device);

} // namespace kroton::test::fake
