#pragma once
/// The kernel cache: where compiled code is kept and looked for, whom it is believed from, and a
/// hook for stores of your own.
///
///   kt::CacheOptions cache = kt::CacheOptions::from_environment();
///   cache.path = {"/opt/model/kernels"};                 // signed by a key that you trust
///   kt::Function f = kt::function({x}, {y}, {.cache = cache});
///   kt::cache_stats().hits_shared;
///
/// Levels are asked in this order: this process, the user's directory, the directories of `path`,
/// the HTTP store, then `levels`. What one of them has is kept in those before it. The cache never
/// fails outward: at worst it is a miss. docs/cache-format.md is the contract of the entries,
/// docs/threat-model.md says what is promised.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kroton {

/// A store of your own: a class of three functions, called by several threads of Kroton's own at
/// once; a call longer than CacheOptions::url_timeout_ms is not waited for. What it returns is
/// verified like everything else, so it needs to be neither right nor honest.
///
///   struct Redis : kt::CacheLevel {
///     std::optional<std::string> find(std::string_view key) override { return get(key); }
///     void publish(std::string_view key, std::string_view entry) override { set(key, entry); }
///     std::string describe() const override { return "redis at " + host; }
///   };
class CacheLevel {
public:
  CacheLevel() = default;
  CacheLevel(const CacheLevel&) = delete;
  CacheLevel& operator=(const CacheLevel&) = delete;
  virtual ~CacheLevel() = default;

  /// The whole entry kept under a digest (64 hexadecimal digits), or nothing if there is none. To
  /// tell why it cannot say, it throws a std::exception, which counts as a miss.
  virtual std::optional<std::string> find(std::string_view digest) = 0;
  /// Keeps an entry, or does nothing if it keeps none. May throw a std::exception, which is logged.
  virtual void publish(std::string_view digest, std::string_view entry) = 0;
  /// For people: "https://cache.example/kernels". Holds no secret.
  virtual std::string describe() const = 0;
};

/// Where a function's kernels are kept and looked for. Functions with equal options share what is
/// in memory.
struct CacheOptions {
  /// Nothing is read from or written to disks or networks.
  bool memory_only = false;
  /// The user's directory, made when missing. Empty: none.
  std::string directory = {};
  /// Directories that are read and never written to, in order.
  std::vector<std::string> path = {};
  /// An HTTP or HTTPS store that answers GET, HEAD and PUT under this address. With "{digest}" in
  /// it, a name of 64 hexadecimal digits stands there instead of a path below it. Empty: none.
  std::string url = {};
  /// Certificates that the store's must come from, in a PEM file. Empty: the system's.
  std::string certificates = {};
  /// Stores of your own, asked last.
  std::vector<std::shared_ptr<CacheLevel>> levels = {};

  /// Entries of these levels are believed without a signature: whoever can write there can make
  /// this process run code. Otherwise only those signed by a key that the user trusts.
  bool trusts_unsigned_path = false, trusts_unsigned_url = false, trusts_unsigned_levels = false;
  /// A file with the secret key that signs what is published. Empty: nothing is signed.
  std::string signing_key = {};
  /// The folder with the trusted keys: see docs/cache-format.md. Empty: no key is trusted.
  std::string config_directory = {};

  std::uint64_t max_bytes = std::uint64_t{1} << 30;         ///< of entries in `directory`
  std::uint64_t max_memory_bytes = std::uint64_t{64} << 20; ///< of artifacts in this process
  std::uint64_t max_url_bytes = std::uint64_t{64} << 20;    ///< of an entry not in `directory`
  /// In milliseconds: for a connection to the HTTP store; and for a look-up in `path`, `url` or
  /// `levels`, as well as for what all take beyond 100 ms each. A level that takes longer is off
  /// for this process.
  std::int64_t url_connect_timeout_ms = 1000, url_timeout_ms = 5000;

  bool operator==(const CacheOptions&) const = default;

  /// What the KROTON_CACHE… variables say (docs/environment.md): what functions use by default.
  static CacheOptions from_environment();
};

/// What one of the shared levels has done so far.
struct CacheLevelStats {
  std::string level; ///< as it describes itself
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t refused = 0; ///< entries found that were not to be used: not signed, damaged, …
  std::uint64_t failed = 0;  ///< lookups and publications that ended in an error
};

/// What a kernel cache has seen so far.
struct CacheStats {
  std::string directory; ///< the user's; empty: in memory only
  std::uint64_t hits_memory = 0, hits_disk = 0, hits_shared = 0, misses = 0, published = 0,
                quarantined = 0, evicted = 0;
  std::vector<CacheLevelStats> levels; ///< the shared ones, in the order in which they are asked
};

/// Of the cache that functions use by default.
CacheStats cache_stats();
/// Of the cache that functions with these options use.
CacheStats cache_stats(const CacheOptions&);

} // namespace kroton
