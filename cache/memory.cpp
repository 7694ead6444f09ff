#include "cache/memory.hpp"

#include <new>
#include <utility>

namespace kroton::cache {
namespace {

// List node, map node, control block and the like, so that a million empty artifacts count too.
constexpr std::uint64_t bookkeeping_bytes = 256;

} // namespace

std::shared_ptr<const Artifact> MemoryLevel::find(const support::Digest& digest) {
  const auto found = by_digest_.find(digest);
  if (found == by_digest_.end()) return nullptr;
  items_.splice(items_.begin(), items_, found->second);
  return found->second->artifact;
}

void MemoryLevel::insert(const support::Digest& digest,
                         std::shared_ptr<const Artifact> artifact) noexcept {
  if (const auto found = by_digest_.find(digest); found != by_digest_.end()) drop(found->second);
  const std::uint64_t nbytes = artifact->nbytes() + bookkeeping_bytes;
  if (nbytes > max_bytes_) return;
  while (nbytes_ + nbytes > max_bytes_) drop(std::prev(items_.end()));
  try {
    std::list<Item> item;
    item.push_front({digest, std::move(artifact), nbytes});
    by_digest_.emplace(digest, item.begin());
    items_.splice(items_.begin(), item); // keeps the iterator valid, and cannot fail
    nbytes_ += nbytes;
  } catch (const std::bad_alloc&) {
  }
}

void MemoryLevel::drop(std::list<Item>::iterator item) {
  nbytes_ -= item->nbytes;
  by_digest_.erase(item->digest);
  items_.erase(item);
}

} // namespace kroton::cache
