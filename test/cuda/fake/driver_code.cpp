/// The fake libcuda: libraries, kernels, graphs.
#include "test/cuda/fake/calls.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <kroton/error.hpp>

using namespace kroton::test::fake;

Result cuLibraryLoadData(LibraryCode* library, const void* code, int*, void**, unsigned, int*,
                         void**, unsigned) {
  return state().call("cuLibraryLoadData", [&] {
    const std::optional<Image> image = Image::read(code);
    if (!image) return Result::invalid_image;
    if (const Result r = image->loaded(state().driver_version); r != Result::success) return r;
    auto made = std::make_unique<CUlib_st>();
    made->image = *image;
    try {
      made->module = module_of(image->text, image->build);
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
        name,
        CUkern_st{.function = {.kernel = &library->module->kernel(name)}, .library = library});
    *kernel = &made.first->second;
    return Result::success;
  });
}

Result cuKernelGetFunction(EntryPoint* function, Kernel kernel) {
  return state().call_in_context("cuKernelGetFunction", [&](CUctx_st& context) {
    // Found lazily, as drivers do: a library is loaded for whatever devices there are.
    const Result found = kernel->library->image.found_for(context.device);
    if (found != Result::success) return found;
    *function = &kernel->function;
    return Result::success;
  });
}

Result cuFuncSetAttribute(EntryPoint function, FunctionAttribute attribute, int value) {
  return state().call_in_context("cuFuncSetAttribute", [&](CUctx_st& context) {
    if (attribute != FunctionAttribute::max_dynamic_shared_bytes || value < 0 ||
        value > value_of(DeviceAttribute::max_shared_bytes_per_block_by_choice, context.device))
      return Result::invalid_value;
    function->dynamic_shared_bytes = static_cast<std::size_t>(value);
    return Result::success;
  });
}

Result cuLaunchKernel(EntryPoint function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                      unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                      Stream stream, void** parameters, void** extra) {
  return call_on("cuLaunchKernel", stream, [&](CUctx_st& context) -> Result {
    if (&context != State::current()) return invalid_handle;
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
