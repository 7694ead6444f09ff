/// The fake libcuda: libraries and kernels.
#include "test/cuda/fake/calls.hpp"

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
        name, CUkern_st{.function = {.kernel = &library->module->kernel(name)}, .code = library});
    *kernel = &made.first->second;
    return Result::success;
  });
}

Result cuKernelGetFunction(EntryPoint* function, Kernel kernel) {
  return state().call_in_context("cuKernelGetFunction", [&](CUctx_st& context) {
    // Found lazily, as drivers do: a library is loaded for whatever devices there are.
    const Result found = kernel->code->image.found_for(context.device);
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

namespace {

std::string described(const KernelNode& k) {
  return fmt::format("{} ({},{},{}) x ({},{},{})", k.function->kernel->name, k.grid_x, k.grid_y,
                     k.grid_z, k.block_x, k.block_y, k.block_z);
}

} // namespace

Work kroton::test::fake::kernel_work(CUctx_st& context, const KernelNode& k) {
  const auto& kernel = *k.function->kernel;
  const std::uint64_t threads = std::uint64_t{k.block_x} * k.block_y * k.block_z;
  const bool has_grid = k.grid_x > 0 && k.grid_x <= 0x7fffffff && k.grid_y > 0 &&
                        k.grid_y < 65536 && k.grid_z > 0 && k.grid_z < 65536;
  if (!has_grid || threads == 0 || threads > 1024 || k.extra ||
      k.shared_bytes > k.function->dynamic_shared_bytes)
    return std::nullopt;
  std::vector<std::vector<std::byte>> arguments;
  for (std::size_t i = 0; i < kernel.parameter_bytes.size(); ++i) {
    const auto* begin = static_cast<const std::byte*>(k.parameters[i]);
    arguments.emplace_back(begin, begin + kernel.parameter_bytes[i]);
  }
  const kroton::emulator::Grid grid{.blocks = {k.grid_x, k.grid_y, k.grid_z},
                                    .threads = {k.block_x, k.block_y, k.block_z},
                                    .shared_bytes = k.shared_bytes};
  return Operation{"kernel " + kernel.name, [=, &context, function = k.function] {
                     return state().run_kernel(*function, grid, arguments, context);
                   }};
}

Result cuLaunchKernel(EntryPoint function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                      unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                      Stream stream, void** parameters, void** extra) {
  return call_on("cuLaunchKernel", stream, [&](CUctx_st& context) -> Result {
    if (&context != State::current()) return invalid_handle;
    const KernelNode node{.function = function,
                          .grid_x = grid_x,
                          .grid_y = grid_y,
                          .grid_z = grid_z,
                          .block_x = block_x,
                          .block_y = block_y,
                          .block_z = block_z,
                          .shared_bytes = shared_bytes,
                          .parameters = parameters,
                          .extra = extra,
                          .kernel = nullptr,
                          .context = nullptr};
    state().note(described(node));
    Work work = kernel_work(context, node);
    return work ? state().enqueue(stream, std::move(*work)) : Result::invalid_value;
  });
}
