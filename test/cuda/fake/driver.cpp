/// The fake libcuda: devices, contexts, streams, events.
#include "test/cuda/fake/calls.hpp"

#include <algorithm>
#include <array>

using namespace kroton::test::fake;

namespace {

/// The programming guide's table of compute capabilities.
int most_shared_kibibytes(int capability) {
  switch (capability) {
  case 75:
    return 64;
  case 80:
  case 87:
    return 163;
  case 86:
  case 89:
  case 120:
    return 99;
  default:
    return 227;
  }
}

} // namespace

int kroton::test::fake::value_of(DeviceAttribute attribute, const DeviceState& device) {
  switch (attribute) {
  case DeviceAttribute::max_grid_x:
    return 0x7fffffff;
  case DeviceAttribute::max_shared_bytes_per_block:
    return 48 * 1024;
  case DeviceAttribute::multiprocessors:
    return 4; // few: loops over the grid take more than one turn
  case DeviceAttribute::capability_major:
    return device.capability / 10;
  case DeviceAttribute::capability_minor:
    return device.capability % 10;
  case DeviceAttribute::max_shared_bytes_per_block_by_choice:
    return most_shared_kibibytes(device.capability) * 1024;
  }
  return 0;
}

namespace {

struct ErrorText {
  int value;
  const char *name, *text;
};
constexpr std::array<ErrorText, 15> error_texts{{
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
     "the provided PTX was compiled with an unsupported toolchain."},
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
    *version = state().driver_version;
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
  return call_for("cuDeviceGetAttribute", device,
                  [&](CUctx_st& context) { *value = value_of(attribute, context.device); });
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

/// Of the top of the stack, which it makes if there is none.
Result cuCtxSetCurrent(Context context) {
  return state().call("cuCtxSetCurrent", [&] {
    auto& stack = State::context_stack();
    if (!stack.empty()) stack.pop_back();
    if (context) stack.push_back(context);
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

Result cuCtxSynchronize() {
  return state().call_in_context("cuCtxSynchronize", [&](CUctx_st& context) {
    return state().is_capturing(context) ? Result::stream_capture_unsupported
                                         : state().drain_device(context);
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
        if (stream->capture) taken(state().graphs, stream->capture);
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

Result cuEventSynchronize(Event event) {
  return state().call_in_context("cuEventSynchronize", [&](CUctx_st&) -> Result {
    if (!state().events.contains(event)) return invalid_handle;
    return event->stream ? state().drain(event->stream, event->position) : Result::success;
  });
}

extern "C" __attribute__((visibility("default"))) Control* kroton_fake_control() {
  return &state();
}
