#include "lib/data/memory.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <vector>

#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "lib/support/environment.hpp"
#include "lib/support/log.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) static_cast<void>(0)
#define ASAN_UNPOISON_MEMORY_REGION(address, size) static_cast<void>(0)
#endif

namespace kroton::data {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;
/// What a process on x86-64 can address.
constexpr std::size_t address_space = std::size_t{1} << 47;

constexpr std::size_t rounded_up(std::size_t nbytes, std::size_t unit) {
  return (nbytes + unit - 1) / unit * unit;
}

/// With its swap space. A system that promises more than it has (overcommit) would end the process
/// when the memory is written.
std::size_t machine_memory() noexcept {
  static const std::size_t nbytes = [] {
    struct sysinfo info {};
    if (::sysinfo(&info) != 0) return address_space;
    return (std::size_t{info.totalram} + std::size_t{info.totalswap}) * info.mem_unit;
  }();
  return nbytes;
}

std::size_t read_limit() {
  constexpr std::size_t mebibyte = std::size_t{1} << 20, largest_default = 256 * mebibyte;
  const std::size_t machine = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) *
                              static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t otherwise = std::min(largest_default, machine / 16);
  const std::string text = support::variable("KROTON_KEEP_MIB");
  if (text.empty()) return otherwise;
  std::size_t wanted = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, wanted);
  if (read.ec == std::errc() && read.ptr == end && wanted < address_space / mebibyte)
    return wanted * mebibyte;
  support::log(support::Area::jit)
      ->warn("KROTON_KEEP_MIB={} is no number of MiB; using {}", text, otherwise / mebibyte);
  return otherwise;
}

/// Whole huge pages. The kernel gives any page it likes, so the ends that do not fit go back.
std::byte* map_block(std::size_t nbytes) noexcept {
  const std::size_t whole = nbytes + huge_page;
  void* mapped = ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* first = static_cast<std::byte*>(mapped);
  const std::size_t before =
      (huge_page - reinterpret_cast<std::uintptr_t>(first) % huge_page) % huge_page;
  if (before != 0) ::munmap(first, before);
  ::munmap(first + before + nbytes, huge_page - before);
  // Advice: a kernel without huge pages ignores it, and the memory works all the same.
  ::madvise(first + before, nbytes, MADV_HUGEPAGE);
  return first + before;
}

/// Blocks that nobody uses, the one given longest ago first. Never waits for its lock: whoever
/// finds it taken asks the system instead, and so does the child of a fork that happened meanwhile.
class KeptBlocks {
public:
  /// A block of exactly `nbytes`; null if there is none.
  std::byte* take(std::size_t nbytes) noexcept {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return nullptr;
    // The one given last is the likeliest to be in a cache.
    const auto found = std::ranges::find(blocks_.rbegin(), blocks_.rend(), nbytes, &Block::nbytes);
    if (found == blocks_.rend()) return nullptr;
    std::byte* memory = found->memory;
    blocks_.erase(std::prev(found.base()));
    kept_ -= nbytes;
    ASAN_UNPOISON_MEMORY_REGION(memory, nbytes);
    return memory;
  }

  void give(std::byte* memory, std::size_t nbytes) noexcept {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || nbytes > limit_) {
      ::munmap(memory, nbytes);
      return;
    }
    while (kept_ + nbytes > limit_ || blocks_.size() == most_blocks) drop_oldest();
    ASAN_POISON_MEMORY_REGION(memory, nbytes);
    blocks_.push_back({memory, nbytes});
    kept_ += nbytes;
  }

  KeptMemory state() noexcept { return {kept_.load(std::memory_order_relaxed), limit_}; }

private:
  struct Block {
    std::byte* memory;
    std::size_t nbytes;
  };

  static constexpr std::size_t most_blocks = 64;

  /// With room for all, so that giving memory back takes none.
  static std::vector<Block> room() {
    std::vector<Block> blocks;
    blocks.reserve(most_blocks);
    return blocks;
  }
  void drop_oldest() noexcept {
    const Block oldest = blocks_.front();
    blocks_.erase(blocks_.begin());
    kept_ -= oldest.nbytes;
    ASAN_UNPOISON_MEMORY_REGION(oldest.memory, oldest.nbytes);
    ::munmap(oldest.memory, oldest.nbytes);
  }

  std::mutex mutex_;
  std::vector<Block> blocks_ = room();
  std::atomic<std::size_t> kept_ = 0; // written under the lock, read without
  const std::size_t limit_ = read_limit();
};

/// Never destroyed: arrays may outlive every static of this library.
KeptBlocks& kept_blocks() {
  static auto* blocks = new KeptBlocks;
  return *blocks;
}

} // namespace

std::byte* take_memory(std::size_t nbytes) noexcept {
  if (nbytes > machine_memory()) return nullptr;
  if (nbytes < smallest_block)
    return static_cast<std::byte*>(
        std::aligned_alloc(alignment, std::max(alignment, rounded_up(nbytes, alignment))));
  const std::size_t whole = rounded_up(nbytes, huge_page);
  if (std::byte* kept = kept_blocks().take(whole)) return kept;
  return map_block(whole);
}

void give_memory(std::byte* memory, std::size_t nbytes) noexcept {
  if (!memory) return;
  if (nbytes < smallest_block)
    std::free(memory);
  else
    kept_blocks().give(memory, rounded_up(nbytes, huge_page));
}

KeptMemory kept_memory() noexcept { return kept_blocks().state(); }

} // namespace kroton::data
