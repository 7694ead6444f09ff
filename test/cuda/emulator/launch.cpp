#include "test/cuda/emulator/launch.hpp"
#include "test/cuda/emulator/block.hpp"

#include <algorithm>
#include <mutex>
#include <numeric>

namespace kroton::emulator {

std::vector<std::uint32_t> in_order(std::uint32_t n, Order order, std::mt19937_64& random) {
  std::vector<std::uint32_t> all(n);
  std::iota(all.begin(), all.end(), 0u);
  if (order == Order::reverse) std::reverse(all.begin(), all.end());
  if (order == Order::random) std::shuffle(all.begin(), all.end(), random);
  return all;
}

void launch(const Kernel& kernel, const Grid& grid, void** arguments, MemoryMap& memory,
            const Schedule& schedule, Footprint* footprint) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  static RaceDetector races; // the numbers of its intervals continue
  races.begin_launch(footprint);
  std::mt19937_64 random(schedule.seed);
  Block block(kernel, grid, arguments, memory, races, schedule.order, random);
  for (const std::uint32_t i :
       in_order(grid.blocks.x * grid.blocks.y * grid.blocks.z, schedule.order, random))
    block.run(
        {i % grid.blocks.x, i / grid.blocks.x % grid.blocks.y, i / grid.blocks.x / grid.blocks.y});
}

} // namespace kroton::emulator
