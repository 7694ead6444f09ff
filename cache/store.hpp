#pragma once
/// The cache: from keys to artifacts, through the levels: in this process, in the user's directory,
/// and those that others fill. It never fails outward; at worst everything is a miss.
///
///   Store store(Store::Options::from_environment());
///   Key key = KeyBuilder{"kernel/1"}.add("source", text).build();
///   Lookup lookup = store.get_or_make(key, [&] { return Artifact{{{"object", compile(text)}}}; });
///   lookup.artifact->find("object")->bytes;
///   lookup.outcome;                            // Outcome::made, the first time
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include <kroton/cache.hpp>
#include <sys/types.h>

#include "cache/admission.hpp"
#include "cache/artifact.hpp"
#include "cache/disk.hpp"
#include "cache/key.hpp"
#include "cache/memory.hpp"
#include "cache/shared.hpp"
#include "cache/sign.hpp"
#include "lib/support/fork.hpp"

namespace kroton::cache {

/// Where an artifact came from.
enum class Outcome : std::uint8_t {
  memory, ///< This process had it, or another thread was just getting it.
  disk,   ///< It was read from the user's directory.
  shared, ///< A level that others fill had it.
  made,   ///< Nobody had it.
};

/// "memory", "disk", "shared", "made".
std::string_view to_string(Outcome) noexcept;

struct Lookup {
  std::shared_ptr<const Artifact> artifact;
  Outcome outcome = Outcome::made;
  std::chrono::nanoseconds took{}; ///< From the call until the artifact was there, in `make` too.
  std::string miss_reason;         ///< Why it had to be made; empty for a hit.
  std::string level;               ///< Which shared level had it.
};

/// What has happened since the Store was made.
struct Stats {
  std::uint64_t hits_memory = 0;
  std::uint64_t hits_disk = 0;
  std::uint64_t hits_shared = 0;
  std::uint64_t misses = 0;
  std::uint64_t published = 0; ///< Entries written to disk.
  std::uint64_t quarantined = 0;
  std::uint64_t evicted = 0; ///< Entries removed from disk for their age.
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t bytes_in_memory = 0;
  std::vector<CacheLevelStats> levels; ///< The shared ones, in order.
};

/// Safe to use from many threads at once, and from many processes on one directory.
class Store {
public:
  struct Options {
    std::filesystem::path directory = {}; ///< Created when missing. Empty: no level on disk.
    std::uint64_t max_bytes = std::uint64_t{1} << 30; ///< Of the entries on disk; see sweep.hpp.
    bool memory_only = false;
    std::uint64_t max_memory_bytes = std::uint64_t{64} << 20;
    /// How long another process's claim to be making an artifact is believed. No lookup waits for
    /// other processes longer than twice this.
    std::chrono::milliseconds max_claim_age{5000};
    std::string memory_only_reason = {}; ///< For `Lookup::miss_reason`.
    /// What this CPU has, of what artifacts may require.
    HasFeature has_feature = nullptr;
    /// The file of the key that signs what is published; see keyring.hpp. Empty: nothing is signed.
    std::filesystem::path signing_key = {};
    /// Asked in this order after the directory. What they have is kept in it.
    std::vector<SharedLevel> shared = {};
    /// Where the keys are that are trusted to sign what shared levels have; see keyring.hpp.
    std::filesystem::path config = {};

    static Options from(const CacheOptions&);
    /// As CacheOptions::from_environment has it; says why, where everything is kept in memory.
    static Options from_environment();
  };

  explicit Store(Options);

  /// The artifact from the first level that has it, and which that was; without an artifact it
  /// is a miss, and the outcome says nothing.
  Lookup look_up(const Key&);
  /// The artifact alone, or null.
  std::shared_ptr<const Artifact> find(const Key& key) { return look_up(key).artifact; }

  /// Keeps an artifact in all levels, in place of one that may be there.
  void publish(const Key&, Artifact);

  /// The artifact, made by `make` if no level has it, and then published. While one thread is
  /// finding or making it, others that ask for the same key wait and get the same artifact; when
  /// `make` throws, all of them get the exception and nothing is kept. Other processes that make
  /// the same key are waited for within bounds (Options::max_claim_age), never when there is an
  /// entry. `make` must not ask this Store for the same key.
  ///
  /// Where several processes have ended while they were making the key, `make` is called in a child
  /// process first (crash.hpp). Throws CompileError, and does not call `make` here, if that dies of
  /// it, or one did before.
  ///
  /// `missed` is what a `look_up` of the key just returned: the shared levels are then not asked
  /// again.
  Lookup get_or_make(const Key&, const std::function<Artifact()>& make,
                     const Lookup* missed = nullptr);

  /// Makes the artifact and publishes it in place of the one that the levels have, which turned out
  /// to be of no use for the reason given.
  Lookup replace(const Key&, const std::function<Artifact()>& make, std::string reason);

  /// Evicts now, without regard to when it was last done. Returns the number of entries removed.
  std::uint64_t sweep();

  Stats stats() const;

  /// Where entries are kept, or only read; empty when that is in memory only, also because the
  /// directory was refused.
  std::filesystem::path directory() const;

  /// Why nothing can be kept in the directory, which is read all the same; empty if something can.
  std::string read_only() const { return disk_ ? disk_->read_only() : ""; }

  /// What it was opened with.
  const Options& options() const noexcept { return options_; }

private:
  struct Flight;
  using Clock = std::chrono::steady_clock;
  using Pointer = std::shared_ptr<const Artifact>;

  /// What the levels below memory have to say.
  struct Below {
    Pointer artifact;
    Outcome outcome = Outcome::made;
    std::string miss_reason;
    std::string level;
  };
  static Lookup arrived(Clock::time_point start, Below);
  Below find_below(const Key&, bool asks_shared);
  DiskFind find_on_disk(const Key&);
  Below wait_or_claim(const Key&, Below missed, std::unique_ptr<Claim>&, CrashNotes&);
  Artifact make_safely(const Key&, const std::function<Artifact()>& make, const CrashNotes&);
  void note(const DiskFind&);
  void publish(const Key&, const Pointer&);
  void publish_below(const Key&, const Artifact&);
  void write_to_disk(const support::Digest&, std::string_view entry, bool is_durable);
  const SigningKey* signing_key();
  void land(const Key&, const std::shared_ptr<Flight>&, const Pointer&);

  const Options options_;
  std::optional<DiskLevel> disk_;
  SharedLevels shared_;
  mutable support::ForkMutex mutex_; // of what is below; not held while reading, writing, making
  MemoryLevel memory_;
  std::unordered_map<support::Digest, std::shared_ptr<Flight>, support::DigestHash> flights_;
  Stats stats_;
  bool has_warned_ = false;                                  // of a failure to publish
  support::ForkLazy<std::optional<SigningKey>> signing_key_; // read by the first publish
};

} // namespace kroton::cache
