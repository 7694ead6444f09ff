/// Running sums on the CPU.
#include <algorithm>
#include <type_traits>

#include "jit/cpu/library.hpp"
#include "lib/ops/reduction.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::jit {
namespace {

/// So many neighbouring lines are added up side by side.
constexpr std::int64_t lines = 64;
/// Threads share the work if each gets so many additions.
constexpr std::int64_t work_of_thread = std::int64_t{1} << 15;

/// What elements are added up in.
template <class T> struct SumOf { using Type = std::make_unsigned_t<T>; }; // integers wrap
template <> struct SumOf<float> { using Type = double; };
template <> struct SumOf<double> { using Type = double; };

/// Lines along the middle one of three axes.
template <class T> struct RunningSums {
  using Sum = typename SumOf<T>::Type;

  const T* from;
  T* to;
  std::int64_t n, inner,
      blocks; ///< the last one of lines, before the next element of the first axis
  bool from_end;

  void run(std::int64_t block) const {
    const std::int64_t first = block % blocks * lines, count = std::min(lines, inner - first);
    const std::int64_t origin = block / blocks * n * inner + first;
    Sum sums[lines] = {};
    for (std::int64_t j = 0; j < n; ++j) {
      const std::int64_t at = origin + (from_end ? n - 1 - j : j) * inner;
      for (std::int64_t i = 0; i < count; ++i) {
        sums[i] += static_cast<Sum>(from[at + i]);
        to[at + i] = static_cast<T>(sums[i]);
      }
    }
  }
};

void cumsum(CpuCall& c) {
  const std::int64_t outer = c.numbers[0], n = c.numbers[1], inner = c.numbers[2];
  if (outer == 0 || n == 0 || inner == 0) return;
  support::visit_dtype(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
    if constexpr (!std::is_same_v<T, bool>) {
      const std::int64_t blocks = (inner + lines - 1) / lines;
      RunningSums<T> sums{reinterpret_cast<const T*>(c.operands[0].data),
                          reinterpret_cast<T*>(c.results[0].data),
                          n,
                          inner,
                          blocks,
                          c.numbers[3] != 0};
      const auto body = [](void* frame, long begin, long end, int) {
        for (long block = begin; block < end; ++block)
          static_cast<const RunningSums<T>*>(frame)->run(block);
      };
      const long grain = work_of_thread / (n * std::min(inner, lines)) + 1;
      c.runtime->parallel_for(c.runtime, outer * blocks, grain, body, &sums);
    }
  });
}

constexpr CpuFunction functions[] = {{&ops::cumsum, nullptr, cumsum}};

} // namespace

std::span<const CpuFunction> cumulative_functions() { return functions; }

} // namespace kroton::jit
