#pragma once
/// A level of somebody else's, held to bounds: one that makes the process wait is switched off for
/// the process, and an entry that is longer than wanted is not taken.
///
///   BoundedLevel level(std::make_shared<ReadOnlyDirectory>(path, …), {.timeout = 5s});
///   level.find(digest_hex);                 // throws when the time is up, at the latest
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <kroton/cache.hpp>

#include "cache/patience.hpp"

namespace kroton::cache {

struct Bounds {
  /// For a look-up or a publication, and for what all look-ups may take beyond 100 ms each.
  std::chrono::milliseconds timeout{5000};
  std::uint64_t max_bytes = std::uint64_t{64} << 20; ///< of an entry
  bool is_read_only = false;                         ///< The level is never asked to publish.
};

class BoundedLevel final : public CacheLevel {
public:
  BoundedLevel(std::shared_ptr<CacheLevel> level, const Bounds&);

  /// Throws what the level throws, or std::runtime_error when it does not answer in time or its
  /// entry is too long; finds nothing once it is switched off.
  std::optional<std::string> find(std::string_view digest) override;
  void publish(std::string_view digest, std::string_view entry) override;
  std::string describe() const override { return name_; }

private:
  [[noreturn]] void give_up();
  void switch_off(std::string_view reason);

  const std::shared_ptr<CacheLevel> level_; // shared with calls that are still continuing
  const std::string name_;
  const std::uint64_t max_bytes_;
  const bool is_read_only_;
  Patience patience_;
  std::atomic<bool> is_off_ = false;
};

} // namespace kroton::cache
