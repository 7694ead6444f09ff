/// The fake libcuda: memory, and what is copied.
#include "test/cuda/fake/calls.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

using namespace kroton::test::fake;

namespace {

using kroton::test::fake::Block;

std::byte* memory_at(Address address) { return reinterpret_cast<std::byte*>(address); }

/// The copy of `nbytes` to device memory. Memory that is not pinned is read now, as the real driver
/// does; pinned memory is read when the copy's turn comes.
Operation copy_in(Address to, const void* from, std::size_t nbytes) {
  if (state().pinned_at(from, nbytes))
    return {"copy in", [=] {
              if (!state().block_at(to, nbytes)) return Result::illegal_address;
              state().touch(to, nbytes, true);
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
            state().touch(from, nbytes, false);
            std::memcpy(to, memory_at(from), nbytes);
            return Result::success;
          }};
}

} // namespace

Work kroton::test::fake::copy_work(Address to, Address from, std::size_t nbytes) {
  if (!state().block_at(from, nbytes) || !state().block_at(to, nbytes)) return std::nullopt;
  return Operation{"copy", [=] {
                     if (!state().block_at(from, nbytes) || !state().block_at(to, nbytes))
                       return Result::illegal_address;
                     state().touch(from, nbytes, false);
                     state().touch(to, nbytes, true);
                     std::memmove(memory_at(to), memory_at(from), nbytes);
                     return Result::success;
                   }};
}

Work kroton::test::fake::set_work(Address to, unsigned char value, std::size_t nbytes) {
  if (!state().block_at(to, nbytes)) return std::nullopt;
  return Operation{"set", [=] {
                     if (!state().block_at(to, nbytes)) return Result::illegal_address;
                     state().touch(to, nbytes, true);
                     std::fill_n(memory_at(to), nbytes, std::byte{value});
                     return Result::success;
                   }};
}

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
    Work work = copy_work(to, from, nbytes);
    return work ? state().enqueue(stream, std::move(*work)) : Result::invalid_value;
  });
}

/// Between memory of one device, as Kroton has it.
Result cuMemcpy2DAsync_v2(const Copy2D* copy, Stream stream) {
  return call_on("cuMemcpy2DAsync_v2", stream, [&](CUctx_st& context) {
    const Copy2D c = *copy;
    state().note(fmt::format("{} x {} bytes", c.height, c.width_bytes));
    const auto is_inside = [&](const Copy2D::Side& side) {
      const std::size_t reach = c.height == 0 ? 0 : (c.height - 1) * side.pitch + c.width_bytes;
      const Block* const block = state().block_at(side.device, reach);
      return side.memory_type == memory_of_device && side.x_bytes == 0 && side.y == 0 &&
             side.pitch >= c.width_bytes && block && block->context == &context;
    };
    if (!is_inside(c.from) || !is_inside(c.to)) return Result::invalid_value;
    return state().enqueue(stream, {"copy rows", [c] {
                                      for (std::size_t row = 0; row < c.height; ++row)
                                        std::memcpy(memory_at(c.to.device + row * c.to.pitch),
                                                    memory_at(c.from.device + row * c.from.pitch),
                                                    c.width_bytes);
                                      return Result::success;
                                    }});
  });
}

Result cuMemcpyPeerAsync(Address to, Context to_context, Address from, Context from_context,
                         std::size_t nbytes, Stream stream) {
  return call_on("cuMemcpyPeerAsync", stream, [&](CUctx_st&) {
    state().note(fmt::format("{} bytes", nbytes));
    const Block *source = state().block_at(from, nbytes), *target = state().block_at(to, nbytes);
    if (!source || !target || source->context != from_context || target->context != to_context)
      return Result::invalid_value;
    return state().enqueue(stream, *copy_work(to, from, nbytes));
  });
}

Result cuMemsetD8Async(Address to, unsigned char value, std::size_t nbytes, Stream stream) {
  return call_on("cuMemsetD8Async", stream, [&](CUctx_st&) {
    Work work = set_work(to, value, nbytes);
    return work ? state().enqueue(stream, std::move(*work)) : Result::invalid_value;
  });
}
