/// The functions of the fake libcuda, with the signatures that Kroton's own table has.
#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include <kroton/error.hpp>

#include "test/cuda/fake/state.hpp"

using namespace kroton::test::fake;
using namespace kroton::jit::cuda;

#define KROTON_DECLARED(symbol, parameters)                                                        \
  extern "C" __attribute__((visibility("default"))) Result symbol parameters;
KROTON_CUDA_DRIVER_FUNCTIONS(KROTON_DECLARED)
#undef KROTON_DECLARED

namespace {

using kroton::test::fake::Block;

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

/// Runs `body` if the stream is one of the current context.
template <class Body> Result call_on(const char* function, Stream stream, Body body) {
  return state().call_in_context(function, [&](CUctx_st& context) -> Result {
    if (!state().is_stream(stream) || stream->context != &context) return invalid_handle;
    return body(context);
  });
}

std::byte* memory_at(Address address) { return reinterpret_cast<std::byte*>(address); }

/// The copy of `nbytes` to device memory. Memory that is not pinned is read now, as the real driver
/// does; pinned memory is read when the copy's turn comes.
Operation copy_in(Address to, const void* from, std::size_t nbytes) {
  if (state().pinned_at(from, nbytes))
    return {"copy in", [=] {
              if (!state().block_at(to, nbytes)) return Result::illegal_address;
              std::memcpy(memory_at(to), from, nbytes);
              return Result::success;
            }};
  const auto* begin = static_cast<const std::byte*>(from);
  return {"copy in", [=, bytes = std::vector<std::byte>(begin, begin + nbytes)] {
            if (!state().block_at(to, nbytes)) return Result::illegal_address;
            std::ranges::copy(bytes, memory_at(to));
            return Result::success;
          }};
}

Operation copy_out(void* to, Address from, std::size_t nbytes) {
  return {"copy out", [=] {
            if (!state().block_at(from, nbytes)) return Result::illegal_address;
            std::memcpy(to, memory_at(from), nbytes);
            return Result::success;
          }};
}

Operation copy_within(Address to, Address from, std::size_t nbytes) {
  return {"copy", [=] {
            if (!state().block_at(from, nbytes) || !state().block_at(to, nbytes))
              return Result::illegal_address;
            std::memmove(memory_at(to), memory_at(from), nbytes);
            return Result::success;
          }};
}

int value_of(DeviceAttribute attribute) {
  switch (attribute) {
  case DeviceAttribute::max_threads_per_block:
    return 1024;
  case DeviceAttribute::max_grid_x:
    return 0x7fffffff;
  case DeviceAttribute::max_shared_bytes_per_block:
    return 48 * 1024;
  case DeviceAttribute::warp_size:
    return 32;
  case DeviceAttribute::multiprocessors:
    return 4; // few: loops over the grid take more than one turn
  case DeviceAttribute::l2_bytes:
    return 32 << 20;
  case DeviceAttribute::max_threads_per_multiprocessor:
    return 2048;
  case DeviceAttribute::capability_major:
    return 9;
  case DeviceAttribute::capability_minor:
    return 0;
  case DeviceAttribute::max_shared_bytes_per_block_by_choice:
    return 227 * 1024;
  }
  return 0;
}

struct ErrorText {
  int value;
  const char *name, *text;
};
constexpr std::array<ErrorText, 13> error_texts{{
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
}};

const ErrorText* text_of(Result result) {
  const auto* found = std::ranges::find(error_texts, static_cast<int>(result), &ErrorText::value);
  return found == error_texts.end() ? nullptr : found;
}

} // namespace

// ---- devices and contexts
// --------------------------------------------------------------------------

Result cuInit(unsigned flags) {
  return state().call("cuInit",
                      [&] { return flags == 0 ? Result::success : Result::invalid_value; });
}

Result cuDriverGetVersion(int* version) {
  return state().call("cuDriverGetVersion", [&] {
    *version = 13000;
    return Result::success;
  });
}

Result cuGetErrorName(Result result, const char** name) {
  const ErrorText* found = text_of(result);
  *name = found ? found->name : nullptr;
  return found ? Result::success : Result::invalid_value;
}

Result cuGetErrorString(Result result, const char** text) {
  const ErrorText* found = text_of(result);
  *text = found ? found->text : nullptr;
  return found ? Result::success : Result::invalid_value;
}

namespace {

/// Runs `body` if there is such a device.
template <class Body> Result call_for(const char* function, DeviceNumber device, Body body) {
  return state().call(function, [&]() -> Result {
    if (device < 0 || static_cast<std::size_t>(device) >= state().contexts.size())
      return Result::invalid_device;
    body(*state().contexts[static_cast<std::size_t>(device)]);
    return Result::success;
  });
}

} // namespace

Result cuDeviceGetCount(int* count) {
  return state().call("cuDeviceGetCount", [&] {
    *count = static_cast<int>(state().contexts.size());
    return Result::success;
  });
}

Result cuDeviceGet(DeviceNumber* device, int ordinal) {
  return call_for("cuDeviceGet", ordinal, [&](CUctx_st&) { *device = ordinal; });
}

Result cuDeviceGetName(char* name, int length, DeviceNumber device) {
  return call_for("cuDeviceGetName", device, [&](CUctx_st&) {
    const std::string_view text = "Emulated GPU";
    name[text.copy(name, static_cast<std::size_t>(length) - 1)] = '\0';
  });
}

Result cuDeviceGetAttribute(int* value, DeviceAttribute attribute, DeviceNumber device) {
  return call_for("cuDeviceGetAttribute", device, [&](CUctx_st&) { *value = value_of(attribute); });
}

Result cuDeviceTotalMem_v2(std::size_t* nbytes, DeviceNumber device) {
  return call_for("cuDeviceTotalMem_v2", device,
                  [&](CUctx_st&) { *nbytes = state().memory_bytes; });
}

Result cuDevicePrimaryCtxRetain(Context* context, DeviceNumber device) {
  return call_for("cuDevicePrimaryCtxRetain", device, [&](CUctx_st& c) { *context = &c; });
}

Result cuCtxGetCurrent(Context* context) {
  return state().call("cuCtxGetCurrent", [&] {
    *context = State::current();
    return Result::success;
  });
}

Result cuCtxPushCurrent_v2(Context context) {
  return state().call("cuCtxPushCurrent_v2", [&] {
    State::context_stack().push_back(context);
    return Result::success;
  });
}

Result cuCtxPopCurrent_v2(Context* context) {
  return state().call("cuCtxPopCurrent_v2", [&]() -> Result {
    if (!State::current()) return invalid_context;
    if (context) *context = State::current();
    State::context_stack().pop_back();
    return Result::success;
  });
}

// ---- streams and events
// ----------------------------------------------------------------------------

Result cuStreamCreate(Stream* stream, unsigned) {
  return state().call_in_context("cuStreamCreate", [&](CUctx_st& context) {
    *stream = kept(state().streams_,
                   std::make_unique<CUstream_st>(CUstream_st{.context = &context, .queue = {}}));
    return Result::success;
  });
}

Result cuStreamDestroy_v2(Stream stream) {
  return state().call_in_context(
      "cuStreamDestroy_v2",
      [&](CUctx_st&) -> Result {
        if (!state().is_stream(stream)) return invalid_handle;
        state().drain(stream);
        for (const auto& [event, owned] : state().events)
          if (event->stream == stream) event->stream = nullptr;
        taken(state().streams_, stream);
        return Result::success;
      },
      true);
}

Result cuStreamSynchronize(Stream stream) {
  return call_on("cuStreamSynchronize", stream, [&](CUctx_st&) {
    return stream->capture ? Result::stream_capture_unsupported : state().drain(stream);
  });
}

/// What the stream does after it waits for what was recorded now, not for what is recorded later.
Result cuStreamWaitEvent(Stream stream, Event event, unsigned) {
  return call_on("cuStreamWaitEvent", stream, [&](CUctx_st&) -> Result {
    if (!state().events.contains(event)) return invalid_handle;
    if (!event->stream) return Result::success;
    return state().enqueue(stream, {"wait", [other = event->stream, position = event->position] {
                                      return state().drain(other, position);
                                    }});
  });
}

Result cuEventCreate(Event* event, unsigned) {
  return state().call_in_context("cuEventCreate", [&](CUctx_st& context) {
    *event = kept(state().events, std::make_unique<CUevent_st>(CUevent_st{.context = &context}));
    return Result::success;
  });
}

Result cuEventDestroy_v2(Event event) {
  return state().call_in_context(
      "cuEventDestroy_v2",
      [&](CUctx_st&) { return taken(state().events, event) ? Result::success : invalid_handle; },
      true);
}

Result cuEventRecord(Event event, Stream stream) {
  return call_on("cuEventRecord", stream, [&](CUctx_st&) -> Result {
    if (!state().events.contains(event) || event->context != stream->context) return invalid_handle;
    if (stream->capture) return Result::stream_capture_unsupported;
    event->stream = stream;
    event->position = stream->issued();
    return Result::success;
  });
}

/// Each question about work that is not done does one piece of it, so that who asks again and again
/// gets on.
Result cuEventQuery(Event event) {
  return state().call_in_context("cuEventQuery", [&](CUctx_st&) -> Result {
    if (!state().events.contains(event)) return invalid_handle;
    Stream const stream = event->stream;
    if (!stream || stream->done >= event->position) return Result::success;
    const Result r = state().drain(stream, stream->done + 1);
    return r == Result::success ? Result::not_ready : r;
  });
}

Result cuEventSynchronize(Event event) {
  return state().call_in_context("cuEventSynchronize", [&](CUctx_st&) -> Result {
    if (!state().events.contains(event)) return invalid_handle;
    return event->stream ? state().drain(event->stream, event->position) : Result::success;
  });
}

// ---- memory
// ----------------------------------------------------------------------------------------

Result cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  return state().call_in_context("cuMemGetInfo_v2", [&](CUctx_st& context) {
    *total = state().memory_bytes;
    *free = *total - std::min(*total, context.device.used);
    return Result::success;
  });
}

Result cuMemAlloc_v2(Address* address, std::size_t nbytes) {
  return state().call_in_context("cuMemAlloc_v2", [&](CUctx_st& context) {
    state().note(fmt::format("{} bytes", nbytes));
    return state().allocate(context, *address, nbytes);
  });
}

Result cuMemFree_v2(Address address) {
  return state().call_in_context(
      "cuMemFree_v2", [&](CUctx_st&) { return state().release(address); }, true);
}

Result cuMemAllocHost_v2(void** address, std::size_t nbytes) {
  return state().call_in_context("cuMemAllocHost_v2", [&](CUctx_st&) {
    Block b;
    b.memory = std::make_unique<std::byte[]>(nbytes);
    b.begin = b.memory.get();
    b.nbytes = nbytes;
    *address = b.begin;
    state().pinned.emplace(*address, std::move(b));
    return Result::success;
  });
}

Result cuMemFreeHost(void* address) {
  return state().call_in_context(
      "cuMemFreeHost",
      [&](CUctx_st& context) {
        state().drain_device(context);
        return state().pinned.erase(address) == 1 ? Result::success : Result::invalid_value;
      },
      true);
}

Result cuMemcpyHtoDAsync_v2(Address to, const void* from, std::size_t nbytes, Stream stream) {
  return call_on("cuMemcpyHtoDAsync_v2", stream, [&](CUctx_st&) {
    state().note(fmt::format("{} bytes", nbytes));
    if (!state().block_at(to, nbytes)) return Result::invalid_value;
    return state().enqueue(stream, copy_in(to, from, nbytes));
  });
}

/// Memory that is not pinned has its contents when the call returns, as with the real driver.
Result cuMemcpyDtoHAsync_v2(void* to, Address from, std::size_t nbytes, Stream stream) {
  return call_on("cuMemcpyDtoHAsync_v2", stream, [&](CUctx_st&) {
    state().note(fmt::format("{} bytes", nbytes));
    if (!state().block_at(from, nbytes)) return Result::invalid_value;
    const Result r = state().enqueue(stream, copy_out(to, from, nbytes));
    return stream->capture || state().pinned_at(to, nbytes) ? r : state().drain(stream);
  });
}

Result cuMemcpyDtoDAsync_v2(Address to, Address from, std::size_t nbytes, Stream stream) {
  return call_on("cuMemcpyDtoDAsync_v2", stream, [&](CUctx_st&) {
    state().note(fmt::format("{} bytes", nbytes));
    if (!state().block_at(from, nbytes) || !state().block_at(to, nbytes))
      return Result::invalid_value;
    return state().enqueue(stream, copy_within(to, from, nbytes));
  });
}

Result cuMemcpyPeerAsync(Address to, Context to_context, Address from, Context from_context,
                         std::size_t nbytes, Stream stream) {
  return call_on("cuMemcpyPeerAsync", stream, [&](CUctx_st&) {
    state().note(fmt::format("{} bytes", nbytes));
    const Block *source = state().block_at(from, nbytes), *target = state().block_at(to, nbytes);
    if (!source || !target || source->context != from_context || target->context != to_context)
      return Result::invalid_value;
    return state().enqueue(stream, copy_within(to, from, nbytes));
  });
}

Result cuMemsetD8Async(Address to, unsigned char value, std::size_t nbytes, Stream stream) {
  return call_on("cuMemsetD8Async", stream, [&](CUctx_st&) {
    if (!state().block_at(to, nbytes)) return Result::invalid_value;
    return state().enqueue(stream, {"set", [=] {
                                      if (!state().block_at(to, nbytes))
                                        return Result::illegal_address;
                                      std::fill_n(memory_at(to), nbytes, std::byte{value});
                                      return Result::success;
                                    }});
  });
}

Result cuPointerGetAttribute(void* value, PointerAttribute attribute, Address address) {
  return state().call("cuPointerGetAttribute", [&] {
    constexpr unsigned host_memory = 1, device_memory = 2;
    const Block* device = state().block_at(address, 0);
    const Block* host = state().pinned_at(reinterpret_cast<const void*>(address), 0);
    if (!device && !host) return Result::invalid_value;
    if (attribute == PointerAttribute::memory_type)
      *static_cast<unsigned*>(value) = device ? device_memory : host_memory;
    else
      *static_cast<int*>(value) = device ? device->context->device.number : 0;
    return Result::success;
  });
}

// ---- code
// ------------------------------------------------------------------------------------------

Result cuLibraryLoadData(LibraryCode* library, const void* code, int*, void**, unsigned, int*,
                         void**, unsigned) {
  return state().call("cuLibraryLoadData", [&] {
    const Image image = read_image(code);
    if (!image.is_image) return Result::invalid_image;
    auto made = std::make_unique<CUlib_st>();
    try {
      made->module = module_of(image.text, image.build);
    } catch (const kroton::CompileError&) {
      return Result::invalid_image;
    }
    *library = kept(state().libraries, std::move(made));
    return Result::success;
  });
}

Result cuLibraryUnload(LibraryCode library) {
  return state().call("cuLibraryUnload", [&] {
    return taken(state().libraries, library) ? Result::success : invalid_handle;
  });
}

Result cuLibraryGetKernel(Kernel* kernel, LibraryCode library, const char* name) {
  return state().call("cuLibraryGetKernel", [&]() -> Result {
    if (!state().libraries.contains(library)) return invalid_handle;
    if (!library->module->has_kernel(name)) return Result::not_found;
    const auto made = library->kernels.emplace(
        name, CUkern_st{.function = {.kernel = &library->module->kernel(name)}});
    *kernel = &made.first->second;
    return Result::success;
  });
}

Result cuKernelGetFunction(EntryPoint* function, Kernel kernel) {
  return state().call_in_context("cuKernelGetFunction", [&](CUctx_st&) {
    *function = &kernel->function;
    return Result::success;
  });
}

Result cuFuncSetAttribute(EntryPoint function, FunctionAttribute attribute, int value) {
  return state().call_in_context("cuFuncSetAttribute", [&](CUctx_st&) {
    if (attribute != FunctionAttribute::max_dynamic_shared_bytes || value < 0 ||
        value > value_of(DeviceAttribute::max_shared_bytes_per_block_by_choice))
      return Result::invalid_value;
    function->dynamic_shared_bytes = static_cast<std::size_t>(value);
    return Result::success;
  });
}

Result cuFuncGetAttribute(int* value, FunctionAttribute attribute, EntryPoint function) {
  return state().call_in_context("cuFuncGetAttribute", [&](CUctx_st&) {
    *value = attribute == FunctionAttribute::max_dynamic_shared_bytes
                 ? static_cast<int>(function->dynamic_shared_bytes)
             : attribute == FunctionAttribute::registers ? 32
                                                         : 0;
    return Result::success;
  });
}

Result cuLaunchKernel(EntryPoint function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                      unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                      Stream stream, void** parameters, void** extra) {
  return call_on("cuLaunchKernel", stream, [&](CUctx_st& context) -> Result {
    const auto& kernel = *function->kernel;
    const std::string what = fmt::format("{} ({},{},{}) x ({},{},{})", kernel.name, grid_x, grid_y,
                                         grid_z, block_x, block_y, block_z);
    state().note(what);
    const std::uint64_t threads = std::uint64_t{block_x} * block_y * block_z;
    const bool has_grid = grid_x > 0 && grid_x <= 0x7fffffff && grid_y > 0 && grid_y < 65536 &&
                          grid_z > 0 && grid_z < 65536;
    if (!has_grid || threads == 0 || threads > 1024 || extra ||
        shared_bytes > function->dynamic_shared_bytes)
      return Result::invalid_value;
    std::vector<std::vector<std::byte>> arguments;
    for (std::size_t i = 0; i < kernel.parameter_bytes.size(); ++i) {
      const auto* begin = static_cast<const std::byte*>(parameters[i]);
      arguments.emplace_back(begin, begin + kernel.parameter_bytes[i]);
    }
    const kroton::emulator::Grid grid{.blocks = {grid_x, grid_y, grid_z},
                                      .threads = {block_x, block_y, block_z},
                                      .shared_bytes = shared_bytes};
    return state().enqueue(stream, {"kernel " + kernel.name, [=, &context] {
                                      return state().run_kernel(*function, grid, arguments,
                                                                context);
                                    }});
  });
}

// ---- graphs
// ----------------------------------------------------------------------------------------

Result cuStreamBeginCapture_v2(Stream stream, int) {
  return call_on("cuStreamBeginCapture_v2", stream, [&](CUctx_st&) {
    if (stream->capture) return Result::stream_capture_unsupported;
    stream->capture = kept(state().graphs, std::make_unique<CUgraph_st>());
    return Result::success;
  });
}

Result cuStreamEndCapture(Stream stream, Graph* graph) {
  return call_on("cuStreamEndCapture", stream, [&](CUctx_st&) {
    if (!stream->capture) return Result::stream_capture_invalidated;
    *graph = std::exchange(stream->capture, nullptr);
    return Result::success;
  });
}

Result cuGraphInstantiateWithFlags(GraphExec* exec, Graph graph, unsigned long long) {
  return state().call_in_context("cuGraphInstantiateWithFlags", [&](CUctx_st&) -> Result {
    if (!state().graphs.contains(graph)) return invalid_handle;
    *exec = kept(state().executables,
                 std::make_unique<CUgraphExec_st>(CUgraphExec_st{graph->operations}));
    return Result::success;
  });
}

Result cuGraphExecUpdate_v2(GraphExec exec, Graph graph, GraphUpdateResult* result) {
  return state().call_in_context("cuGraphExecUpdate_v2", [&](CUctx_st&) -> Result {
    if (!state().graphs.contains(graph) || !state().executables.contains(exec))
      return invalid_handle;
    const bool is_like = std::ranges::equal(exec->operations, graph->operations, {},
                                            &Operation::what, &Operation::what);
    *result = {.result = is_like ? 0 : 1, .error_node = nullptr, .error_from_node = nullptr};
    if (!is_like) return Result::graph_exec_update_failure;
    exec->operations = graph->operations;
    return Result::success;
  });
}

Result cuGraphLaunch(GraphExec exec, Stream stream) {
  return call_on("cuGraphLaunch", stream, [&](CUctx_st&) -> Result {
    if (!state().executables.contains(exec)) return invalid_handle;
    return state().enqueue(stream, {"graph", [operations = exec->operations] {
                                      Result r = Result::success;
                                      for (const Operation& o : operations)
                                        if (r == Result::success) r = o.run();
                                      return r;
                                    }});
  });
}

Result cuGraphDestroy(Graph graph) {
  return state().call("cuGraphDestroy", [&] {
    return taken(state().graphs, graph) ? Result::success : invalid_handle;
  });
}

Result cuGraphExecDestroy(GraphExec exec) {
  return state().call("cuGraphExecDestroy", [&] {
    return taken(state().executables, exec) ? Result::success : invalid_handle;
  });
}

extern "C" __attribute__((visibility("default"))) Control* kroton_fake_control() {
  return &state();
}
