#pragma once
/// The level inside the process: the most recently used artifacts, up to a number of bytes.
/// Not thread-safe; the Store that owns it holds a lock.
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include "cache/artifact.hpp"
#include "lib/support/digest.hpp"

namespace kroton::cache {

class MemoryLevel {
public:
  explicit MemoryLevel(std::uint64_t max_bytes) : max_bytes_(max_bytes) {}

  /// The artifact, now the most recently used one, or null.
  std::shared_ptr<const Artifact> find(const support::Digest&);
  /// Keeps the artifact and drops the least recently used others. One that is larger than the
  /// whole level is not kept; whoever holds the pointer still has it.
  /// Nor is one kept for which there is no memory; never throws.
  void insert(const support::Digest&, std::shared_ptr<const Artifact>) noexcept;

  std::uint64_t nbytes() const { return nbytes_; }

private:
  struct Item {
    support::Digest digest;
    std::shared_ptr<const Artifact> artifact;
    std::uint64_t nbytes;
  };
  void drop(std::list<Item>::iterator);

  std::uint64_t max_bytes_;
  std::uint64_t nbytes_ = 0;
  std::list<Item> items_; // most recently used first
  std::unordered_map<support::Digest, std::list<Item>::iterator, support::DigestHash> by_digest_;
};

} // namespace kroton::cache
