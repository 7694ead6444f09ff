#pragma once
/// Waits for what Kroton compiles in the background, so that rounds measure what most calls of a
/// program meet.
///
///   settle(f, arguments, outputs);      // until the version for these sizes is in use
#include <chrono>
#include <span>
#include <thread>

#include <kroton/core.hpp>

namespace bench {

/// Calls `f` until it has a version for the sizes of `arguments`, for five seconds at most; sizes
/// of which none is small get none, and then the first call is the only one.
inline void settle(const kroton::Function& f, std::span<const kroton::Array> arguments,
                   std::span<const kroton::Array> outputs) {
  constexpr std::int64_t largest_specialised = 4096;
  bool is_any_small = false;
  for (const kroton::Array& a : arguments)
    for (const std::int64_t size : a.shape())
      is_any_small = is_any_small || size <= largest_specialised;
  f.call_into(arguments, outputs);
  if (!is_any_small) return;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (f.stats().versions.empty() && std::chrono::steady_clock::now() < end) {
    f.call_into(arguments, outputs);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

} // namespace bench
