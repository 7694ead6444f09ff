#pragma once
/// Keeps a cache directory below its size: the least recently used entries go first. An entry's
/// modification time is the time of its last use, to the day.
#include <cstdint>
#include <functional>

namespace kroton::cache {

struct SweepResult {
  std::uint64_t evicted = 0;     ///< Entries removed.
  std::uint64_t nbytes_left = 0; ///< Bytes in the entries that stay.
};

/// Whether an hour has passed since some process last swept; if so, the stamp file says that it is
/// being done now. Two processes that ask in the same instant may both be told to.
bool is_sweep_due(int directory);

/// When the entries of all format versions exceed `max_bytes`, removes the least recently used
/// until they fill 80 % of it. Also removes what killed writers left behind an hour ago or earlier,
/// notes of crashes after a week, and quarantined entries after a week (or at once, when space is
/// short). Ends early, with entries left that could have gone, once `is_over` says so.
SweepResult sweep(int directory, std::uint64_t max_bytes,
                  const std::function<bool()>& is_over = nullptr);

/// Removes the least recently used entries, quarantined ones first, until so many bytes are free
/// that they took; none, if all together are not so long.
SweepResult evict(int directory, std::uint64_t nbytes);

} // namespace kroton::cache
