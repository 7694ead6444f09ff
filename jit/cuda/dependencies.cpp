#include "jit/cuda/dependencies.hpp"

#include <algorithm>

namespace kroton::jit::cuda {
namespace {

/// Of more steps each one is not compared with all before it.
constexpr std::size_t most_steps = 1024;

bool conflict(const std::vector<Access>& a, const std::vector<Access>& b) {
  return std::ranges::any_of(a, [&](const Access& x) {
    return std::ranges::any_of(
        b, [&](const Access& y) { return (x.is_write || y.is_write) && overlap(x, y); });
  });
}

Dependencies chain(std::size_t steps) {
  Dependencies all(steps);
  for (std::size_t i = 1; i < steps; ++i) all[i] = {i - 1};
  return all;
}

} // namespace

bool overlap(const Access& a, const Access& b) noexcept {
  return a.begin < b.begin + b.nbytes && b.begin < a.begin + a.nbytes;
}

Dependencies dependencies_of(std::span<const std::vector<Access>> steps) {
  const std::size_t count = steps.size();
  if (count > most_steps) return chain(count);
  Dependencies all(count);
  std::vector<std::vector<bool>> waits_for(count, std::vector<bool>(count));
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t before = i; before-- > 0;) { // the last first: others wait for those before it
      if (waits_for[i][before] || !conflict(steps[before], steps[i])) continue;
      all[i].push_back(before);
      waits_for[i][before] = true;
      for (std::size_t k = 0; k < before; ++k)
        if (waits_for[before][k]) waits_for[i][k] = true;
    }
  const bool is_nearly_chain = 4 * longest_path(all) > 3 * count;
  return is_nearly_chain ? chain(count) : all;
}

std::size_t longest_path(const Dependencies& dependencies) {
  std::vector<std::size_t> length(dependencies.size(), 1);
  for (std::size_t i = 0; i < dependencies.size(); ++i)
    for (std::size_t before : dependencies[i]) length[i] = std::max(length[i], length[before] + 1);
  return length.empty() ? 0 : std::ranges::max(length);
}

} // namespace kroton::jit::cuda
