#pragma once
/// The CUDA driver API, as far as Kroton uses it: a table of functions out of libcuda, which is
/// opened when the first of them is needed. Types, values and signatures are those of the C ABI of
/// CUDA 12.0 and later; no header of CUDA's is needed.
///
///   const Driver& cu = driver();                       // DeviceError if there is none
///   check(cu.cuMemAlloc_v2(&address, nbytes), "cuMemAlloc");
///
/// KROTON_CUDA_DRIVER names the library's file; otherwise it is libcuda.so.1.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "jit/cuda/library.hpp"

namespace kroton::jit::cuda {

// ---- the types of the C ABI
// -----------------------------------------------------------------------

/// CUresult; the values that Kroton tells apart.
enum class Result : int {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  invalid_device = 101,
  invalid_image = 200,
  no_binary_for_gpu = 209,
  invalid_ptx = 218,
  jit_compiler_not_found = 221,
  unsupported_ptx_version = 222,
  jit_compilation_disabled = 223,
  not_found = 500,
  illegal_address = 700,
  launch_timeout = 702,
  assertion = 710,
  hardware_stack_error = 714,
  illegal_instruction = 715,
  misaligned_address = 716,
  invalid_address_space = 717,
  invalid_program_counter = 718,
  launch_failed = 719,
  stream_capture_unsupported = 900,
  stream_capture_invalidated = 901,
};

using DeviceNumber = int;                 ///< CUdevice
using Address = unsigned long long;       ///< CUdeviceptr
using Context = struct CUctx_st*;         ///< CUcontext
using Stream = struct CUstream_st*;       ///< CUstream
using Event = struct CUevent_st*;         ///< CUevent
using LibraryCode = struct CUlib_st*;     ///< CUlibrary
using Kernel = struct CUkern_st*;         ///< CUkernel
using EntryPoint = struct CUfunc_st*;     ///< CUfunction
using Graph = struct CUgraph_st*;         ///< CUgraph
using GraphNode = struct CUgraphNode_st*; ///< CUgraphNode
using GraphExec = struct CUgraphExec_st*;

/// CUdevice_attribute
enum class DeviceAttribute : int {
  max_grid_x = 5,
  max_shared_bytes_per_block = 8,
  multiprocessors = 16,
  capability_major = 75,
  capability_minor = 76,
  max_shared_bytes_per_block_by_choice = 97,
};

/// CUfunction_attribute
enum class FunctionAttribute : int {
  max_dynamic_shared_bytes = 8,
};

/// CUDA_KERNEL_NODE_PARAMS_v2
struct KernelNode {
  EntryPoint function;
  unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes;
  void** parameters;
  void** extra;
  Kernel kernel;
  Context context;
};
static_assert(sizeof(KernelNode) == 72);

/// CUDA_MEMSET_NODE_PARAMS
struct SetNode {
  Address to;
  std::size_t pitch;
  unsigned value, element_bytes;
  std::size_t width, height; ///< `width` in elements
};
static_assert(sizeof(SetNode) == 40);

/// CU_MEMORYTYPE_DEVICE
inline constexpr unsigned memory_of_device = 2;

/// One side of a CUDA_MEMCPY3D.
struct CopyEnd {
  std::size_t x_bytes, y, z, level;
  unsigned memory_type;
  void* host;
  Address device;
  void* array;
  void* reserved;
  std::size_t pitch, height;
};
/// CUDA_MEMCPY3D
struct CopyNode {
  CopyEnd from, to;
  std::size_t width_bytes, height, depth;
};
static_assert(sizeof(CopyNode) == 200);

/// CUDA_MEMCPY2D_st: `height` rows of `width_bytes`, which are `pitch` bytes apart.
struct Copy2D {
  struct Side {
    std::size_t x_bytes = 0, y = 0;
    unsigned memory_type = memory_of_device;
    void* host = nullptr;
    Address device = 0;
    void* array = nullptr;
    std::size_t pitch = 0;
  };
  Side from, to;
  std::size_t width_bytes = 0, height = 0;
};

inline constexpr unsigned stream_non_blocking = 1;  ///< CU_STREAM_NON_BLOCKING
inline constexpr unsigned event_disable_timing = 2; ///< CU_EVENT_DISABLE_TIMING
inline constexpr int capture_mode_relaxed = 2;      ///< CU_STREAM_CAPTURE_MODE_RELAXED

// ---- its functions
// --------------------------------------------------------------------------------

/// X(symbol, parameters) for each function; all return CUresult. Streams are handed over always, so
/// that none of the variants for a default stream is meant.
#define KROTON_CUDA_DRIVER_FUNCTIONS(X)                                                            \
  X(cuInit, (unsigned flags))                                                                      \
  X(cuDriverGetVersion, (int* version))                                                            \
  X(cuGetErrorName, (Result result, const char** name))                                            \
  X(cuGetErrorString, (Result result, const char** text))                                          \
  X(cuDeviceGetCount, (int* count))                                                                \
  X(cuDeviceGet, (DeviceNumber * device, int ordinal))                                             \
  X(cuDeviceGetName, (char* name, int length, DeviceNumber device))                                \
  X(cuDeviceGetAttribute, (int* value, DeviceAttribute attribute, DeviceNumber device))            \
  X(cuDeviceTotalMem_v2, (std::size_t * nbytes, DeviceNumber device))                              \
  X(cuDevicePrimaryCtxRetain, (Context * context, DeviceNumber device))                            \
  X(cuCtxGetCurrent, (Context * context))                                                          \
  X(cuCtxSetCurrent, (Context context))                                                            \
  X(cuCtxPushCurrent_v2, (Context context))                                                        \
  X(cuCtxPopCurrent_v2, (Context * context))                                                       \
  X(cuCtxSynchronize, ())                                                                          \
  X(cuStreamCreate, (Stream * stream, unsigned flags))                                             \
  X(cuStreamDestroy_v2, (Stream stream))                                                           \
  X(cuStreamSynchronize, (Stream stream))                                                          \
  X(cuStreamWaitEvent, (Stream stream, Event event, unsigned flags))                               \
  X(cuEventCreate, (Event * event, unsigned flags))                                                \
  X(cuEventDestroy_v2, (Event event))                                                              \
  X(cuEventRecord, (Event event, Stream stream))                                                   \
  X(cuEventSynchronize, (Event event))                                                             \
  X(cuMemGetInfo_v2, (std::size_t * free, std::size_t * total))                                    \
  X(cuMemAlloc_v2, (Address * address, std::size_t nbytes))                                        \
  X(cuMemFree_v2, (Address address))                                                               \
  X(cuMemAllocHost_v2, (void** address, std::size_t nbytes))                                       \
  X(cuMemFreeHost, (void* address))                                                                \
  X(cuMemcpyHtoDAsync_v2, (Address to, const void* from, std::size_t nbytes, Stream stream))       \
  X(cuMemcpyDtoHAsync_v2, (void* to, Address from, std::size_t nbytes, Stream stream))             \
  X(cuMemcpyDtoDAsync_v2, (Address to, Address from, std::size_t nbytes, Stream stream))           \
  X(cuMemcpy2DAsync_v2, (const Copy2D* copy, Stream stream))                                       \
  X(cuMemcpyPeerAsync, (Address to, Context to_context, Address from, Context from_context,        \
                        std::size_t nbytes, Stream stream))                                        \
  X(cuMemsetD8Async, (Address to, unsigned char value, std::size_t nbytes, Stream stream))         \
  X(cuLibraryLoadData,                                                                             \
    (LibraryCode * library, const void* code, int* jit_options, void** jit_values,                 \
     unsigned jit_count, int* options, void** values, unsigned count))                             \
  X(cuLibraryUnload, (LibraryCode library))                                                        \
  X(cuLibraryGetKernel, (Kernel * kernel, LibraryCode library, const char* name))                  \
  X(cuKernelGetFunction, (EntryPoint * function, Kernel kernel))                                   \
  X(cuFuncSetAttribute, (EntryPoint function, FunctionAttribute attribute, int value))             \
  X(cuLaunchKernel, (EntryPoint function, unsigned grid_x, unsigned grid_y, unsigned grid_z,       \
                     unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,  \
                     Stream stream, void** parameters, void** extra))                              \
  X(cuStreamBeginCapture_v2, (Stream stream, int mode))                                            \
  X(cuStreamEndCapture, (Stream stream, Graph * graph))                                            \
  X(cuGraphInstantiateWithFlags, (GraphExec * exec, Graph graph, unsigned long long flags))        \
  X(cuGraphCreate, (Graph * graph, unsigned flags))                                                \
  X(cuGraphAddKernelNode_v2, (GraphNode * node, Graph graph, const GraphNode* before,              \
                              std::size_t count, const KernelNode* kernel))                        \
  X(cuGraphAddMemcpyNode, (GraphNode * node, Graph graph, const GraphNode* before,                 \
                           std::size_t count, const CopyNode* copy, Context context))              \
  X(cuGraphAddMemsetNode, (GraphNode * node, Graph graph, const GraphNode* before,                 \
                           std::size_t count, const SetNode* set, Context context))                \
  X(cuGraphAddChildGraphNode,                                                                      \
    (GraphNode * node, Graph graph, const GraphNode* before, std::size_t count, Graph child))      \
  X(cuGraphExecKernelNodeSetParams_v2, (GraphExec exec, GraphNode node, const KernelNode* kernel)) \
  X(cuGraphExecMemcpyNodeSetParams,                                                                \
    (GraphExec exec, GraphNode node, const CopyNode* copy, Context context))                       \
  X(cuGraphExecMemsetNodeSetParams,                                                                \
    (GraphExec exec, GraphNode node, const SetNode* set, Context context))                         \
  X(cuGraphExecChildGraphNodeSetParams, (GraphExec exec, GraphNode node, Graph child))             \
  X(cuGraphLaunch, (GraphExec exec, Stream stream))                                                \
  X(cuGraphDestroy, (Graph graph))                                                                 \
  X(cuGraphExecDestroy, (GraphExec exec))

/// The table. All functions are there once `driver()` has returned.
struct Driver {
#define KROTON_CUDA_MEMBER(symbol, parameters) Result(*symbol) parameters = nullptr;
  KROTON_CUDA_DRIVER_FUNCTIONS(KROTON_CUDA_MEMBER)
#undef KROTON_CUDA_MEMBER

  Library shared_library;
  int version = 0; ///< of the driver: 1000 * major + 10 * minor
};

/// The oldest driver that has all of the table: CUDA 12.0.
inline constexpr int oldest_driver = 12000;

/// "12.4"
std::string version_text(int version);

/// The table, opened and initialised by the first call. Throws DeviceError, which says what is
/// missing: the library, a function or the version of it, or a device.
const Driver& driver();

/// Why there is no driver; empty if there is one.
std::string driver_problem();

/// Of the names of a library for CUDA 13 and for CUDA 12, best first: a driver takes code and
/// libraries of its own major version and of older ones.
std::vector<const char*> suited(std::vector<const char*> names);

/// "CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)"
std::string describe(Result result);

/// Throws DeviceError for a call that failed. `what` is the call, as people know it, or what it
/// was to do.
[[noreturn]] void fail_call(Result result, std::string_view what);
inline void check(Result result, std::string_view what) {
  if (result != Result::success) [[unlikely]]
    fail_call(result, what);
}

/// Whether a failure ends everything in the context: all later calls return it too, until the
/// process ends.
bool is_sticky(Result result) noexcept;

/// Whether a failure is about the code that is loaded: other code may do.
bool is_about_code(Result result) noexcept;

} // namespace kroton::jit::cuda
