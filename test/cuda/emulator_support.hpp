#pragma once
/// Runs a kernel of a text on arrays of the host.
///
///   Buffer<float> x(100, 1.0f);
///   run(text, "scale", {.blocks = {4}, .threads = {32}}, x, 2.0f, 100);
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <vector>

#include "test/cuda/emulator/module.hpp"

namespace kroton::test {

/// Elements in memory that kernels may touch.
template <class T> struct Buffer {
  std::vector<T> values;
  explicit Buffer(std::size_t n, T value = {}) : values(n, value) {}
  explicit Buffer(std::vector<T> v) : values(std::move(v)) {}
};

template <class T> struct is_buffer : std::false_type {};
template <class T> struct is_buffer<Buffer<T>> : std::true_type {};

template <class T> auto argument_of(T& value, emulator::MemoryMap& memory) {
  if constexpr (is_buffer<T>::value) {
    memory.add(value.values.data(), value.values.size() * sizeof(value.values[0]));
    return value.values.data();
  } else {
    return value;
  }
}

/// Launches a kernel; its arguments are buffers and scalars of the parameters' own types.
template <class... Arguments>
void run(const emulator::Module& module, const std::string& name, const emulator::Grid& grid,
         const emulator::Schedule& schedule, Arguments&&... arguments) {
  emulator::MemoryMap memory;
  auto values = std::make_tuple(argument_of(arguments, memory)...);
  std::apply(
      [&](auto&... value) {
        void* pointers[] = {static_cast<void*>(&value)..., nullptr};
        emulator::launch(module.kernel(name), grid, pointers, memory, schedule);
      },
      values);
}

inline constexpr emulator::Schedule schedules[] = {{.order = emulator::Order::forward},
                                                   {.order = emulator::Order::reverse},
                                                   {.order = emulator::Order::random, .seed = 1},
                                                   {.order = emulator::Order::random, .seed = 2}};

} // namespace kroton::test
