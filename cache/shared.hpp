#pragma once
/// The levels that others fill, asked one after the other: read-only directories, an HTTP store,
/// stores of the user's own. What they return passes the gate of admission.hpp.
///
///   SharedLevels levels({{std::make_shared<ReadOnlyDirectory>(path, …)}}, has_feature, config);
///   SharedFind found = levels.find(key);
///   if (found.artifact) keep(found.entry);
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <kroton/cache.hpp>

#include "cache/admission.hpp"
#include "cache/key.hpp"
#include "cache/keyring.hpp"
#include "lib/support/fork.hpp"

namespace kroton::cache {

struct SharedLevel {
  std::shared_ptr<CacheLevel> level;
  bool is_trusted_unsigned = false;
};

struct SharedFind {
  std::shared_ptr<const Artifact> artifact; ///< Null on a miss.
  std::string entry;                        ///< The file's bytes, on a hit.
  std::string level;                        ///< Which one had it.
  std::string miss_reason;                  ///< What levels had to say, if more than "no entry".
};

class SharedLevels {
public:
  /// The trusted keys are read from `config` when the first entry of a level that wants signatures
  /// turns up.
  SharedLevels(std::vector<SharedLevel> levels, HasFeature has_feature,
               std::filesystem::path config);

  bool empty() const { return levels_.empty(); }

  /// The first level's entry that is admitted. The levels before it get it as well.
  SharedFind find(const Key&);

  /// Hands an entry to all levels.
  void publish(const support::Digest&, std::string_view entry);

  std::vector<CacheLevelStats> stats() const;

private:
  struct Level {
    SharedLevel shared;
    std::string name;
    std::atomic<std::uint64_t> hits = 0, misses = 0, refused = 0, failed = 0;
    std::atomic<bool> has_warned = false;
  };
  Admission ask(Level&, const Key&, const std::string& hex, std::string& entry);
  void hand(Level&, const std::string& hex, std::string_view entry);
  const TrustedKeys& trusted_keys();

  std::vector<std::unique_ptr<Level>> levels_;
  const HasFeature has_feature_;
  const std::filesystem::path config_;
  support::ForkLazy<TrustedKeys> trusted_;
};

} // namespace kroton::cache
