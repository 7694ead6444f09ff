#include "jit/cuda/pool.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "jit/cuda/gpu.hpp"
#include "lib/support/environment.hpp"
#include "lib/support/error.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit::cuda {
namespace {

constexpr double mebibyte = 1 << 20;

/// The size of the block for a request: eight sizes between a power of two and the next, so that
/// nearly equal requests share blocks and at most an eighth is wasted.
std::size_t block_size(std::size_t nbytes) {
  if (has_exact_memory()) return std::max<std::size_t>(1, nbytes);
  const std::size_t step = std::max<std::size_t>(512, std::bit_floor(nbytes) / 8);
  return std::max<std::size_t>(1, (nbytes + step - 1) / step) * step;
}

} // namespace

bool has_exact_memory() noexcept {
  static const bool is_exact = support::switch_variable("KROTON_CUDA_EXACT_MEMORY", "1");
  return is_exact;
}

int Pool::owner(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto known = std::ranges::find(owners_, name, &Owner::name);
  if (known != owners_.end()) return static_cast<int>(known - owners_.begin());
  owners_.push_back({std::string(name)});
  return static_cast<int>(owners_.size()) - 1;
}

Block Pool::take(std::size_t nbytes, int owner) {
  if (nbytes > gpu_.facts().nbytes) out_of_memory(nbytes, owner);
  const std::size_t size = block_size(nbytes);
  const auto count = [&](Block& block) {
    block.owner = owner;
    owners_[static_cast<std::size_t>(owner)].nbytes += size;
    stats_.in_use += size;
    ++stats_.taken;
    stats_.peak = std::max(stats_.peak, stats_.in_use + stats_.kept);
  };
  {
    const std::lock_guard lock(mutex_);
    const auto kept = kept_.lower_bound({size, 0});
    if (kept != kept_.end() && kept->first.first == size) {
      Block block = std::move(kept->second);
      kept_.erase(kept);
      stats_.kept -= size;
      ++stats_.reused;
      count(block);
      return block;
    }
  }
  Block block{.nbytes = size};
  const Gpu::Current current(gpu_);
  Result result = driver().cuMemAlloc_v2(&block.address, size);
  if (result == Result::out_of_memory && trim() > 0)
    result = driver().cuMemAlloc_v2(&block.address, size);
  if (result == Result::out_of_memory) out_of_memory(nbytes, owner);
  gpu_.check(result, "allocating memory");
  const std::lock_guard lock(mutex_);
  count(block);
  return block;
}

void Pool::give(Block block) noexcept {
  if (block.address == 0) return;
  const std::lock_guard lock(mutex_);
  owners_[static_cast<std::size_t>(block.owner)].nbytes -= block.nbytes;
  stats_.in_use -= block.nbytes;
  stats_.kept += block.nbytes;
  const std::pair place{block.nbytes, block.address};
  kept_.emplace(place, std::move(block));
}

std::size_t Pool::trim() {
  std::vector<Block> blocks;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [place, block] : kept_) blocks.push_back(std::move(block));
    kept_.clear();
    stats_.kept = 0;
  }
  const Gpu::Current current(gpu_);
  std::size_t freed = 0;
  Result first_failure = Result::success;
  for (Block& block : blocks) {
    block.uses.synchronize();
    const Result result = driver().cuMemFree_v2(block.address);
    if (result == Result::success)
      freed += block.nbytes;
    else if (first_failure == Result::success)
      first_failure = result;
  }
  gpu_.check(first_failure, "giving memory back");
  if (freed > 0)
    support::log(support::Area::jit)
        ->debug("cuda:{}: {} blocks of {:.1f} MiB given back", gpu_.facts().index, blocks.size(),
                static_cast<double>(freed) / mebibyte);
  return freed;
}

PoolStats Pool::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Pool::out_of_memory(std::size_t nbytes, int owner) {
  std::size_t free = 0, total = 0;
  driver().cuMemGetInfo_v2(&free, &total);
  const std::lock_guard lock(mutex_);
  std::vector<const Owner*> holders;
  for (const Owner& o : owners_)
    if (o.nbytes > 0) holders.push_back(&o);
  std::ranges::stable_sort(holders, std::greater{}, &Owner::nbytes);
  std::string held;
  for (const Owner* o : holders)
    held += fmt::format("{}{} {:.1f} MiB", held.empty() ? "" : ", ", o->name,
                        static_cast<double>(o->nbytes) / mebibyte);
  support::fail<DeviceError>(
      "cuda",
      {.hint = "use smaller batches, let go of arrays and functions that hold memory, or "
               "another device"},
      "cuda:{} has no memory for {} bytes of {}: {:.1f} of {:.1f} MiB are free; held by Kroton: {}",
      gpu_.facts().index, nbytes, owners_[static_cast<std::size_t>(owner)].name,
      static_cast<double>(free) / mebibyte, static_cast<double>(total) / mebibyte,
      held.empty() ? "nothing" : held);
}

} // namespace kroton::jit::cuda
