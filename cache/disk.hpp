#pragma once
/// The level in the user's directory: one file an entry, published whole, read whole.
///
///   v2/ab/abcdef….kro      the entry of the digest abcdef…, format version 2
///   v2/ab/abcdef….claim    a process is making that entry
///   v2/ab/abcdef….crash    processes ended while they were making that entry
///   v2/ab/.tmp-…           a process is writing an entry
///   quarantine/…           entries whose content was wrong
///   sweep.stamp            its time is that of the last sweep
///
/// Nothing here throws except when memory runs out, and every failure is a miss with a reason. Safe
/// to use from several threads and processes at once.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "cache/admission.hpp"
#include "cache/claim.hpp"
#include "cache/crash.hpp"
#include "cache/directory.hpp"
#include "cache/file.hpp"
#include "cache/key.hpp"
#include "lib/support/fork.hpp"

namespace kroton::cache {

struct DiskFind {
  std::shared_ptr<const Artifact> artifact; ///< Null on a miss.
  std::string miss_reason;
  std::uint64_t nbytes = 0;      ///< Length of the entry found.
  std::uint64_t quarantined = 0; ///< Entries put aside on the way.
};

struct DiskPublish {
  std::uint64_t nbytes = 0; ///< Length of the file written; 0 when it was not.
  std::string failure;      ///< Why it was not.
};

/// A miss, and perhaps a claim to be held until the artifact has been published.
struct DiskTurn {
  DiskFind found;
  std::unique_ptr<Claim> claim;
  CrashNotes crashes = {}; ///< Of the key that was claimed.
};

class DiskLevel {
public:
  /// Opens or creates the directory; logs a warning when it is refused. Entries are used as far as
  /// the policy admits them.
  DiskLevel(std::filesystem::path directory, const Policy&);

  /// Empty when the directory can be used, else the reason. A refused level always misses.
  std::string refusal() const;
  /// Why nothing can be kept, or claimed, in a directory that is read all the same; empty if
  /// something can.
  std::string read_only() const;

  DiskFind find(const Key&);

  /// After a miss: claims the key, or waits for the process that has claimed it to publish. Gives
  /// up waiting after twice `max_claim_age`; a claim older than that age is taken over.
  DiskTurn take_turn(const Key&, std::chrono::milliseconds max_claim_age);

  /// Notes that a child died of making the key.
  void note_crash(const Key&, std::string_view verdict);
  /// Forgets what is noted of a key, since making it has gone well.
  void forget_crashes(const Key&);

  /// Keeps an entry file. A durable one is synced to the disk before it can be seen; another may
  /// be torn by a power failure, which its checksum then shows.
  DiskPublish publish(const support::Digest&, std::string_view entry, bool is_durable);

  /// Sweeps; returns the number of entries evicted.
  std::uint64_t sweep(std::uint64_t max_bytes);
  /// Lets the process's chores sweep, if an hour has passed since somebody did.
  void sweep_if_due(std::uint64_t max_bytes);

  /// Entries removed by sweeps so far.
  std::uint64_t evicted() const { return *evicted_; }

private:
  using Directory = std::shared_ptr<const Fd>;
  Directory directory() const;
  void take(OpenedDirectory);
  Directory reopen(const Directory& gone);
  bool make_room(const Fd& directory, std::uint64_t nbytes);
  bool quarantine(const Directory&, const std::string& path, const FileBytes&,
                  std::string_view reason);

  const std::filesystem::path path_;
  const Policy policy_;
  mutable support::ForkMutex mutex_; // of the three below
  Directory directory_;
  std::string refusal_, read_only_;
  std::shared_ptr<std::atomic<std::uint64_t>> evicted_ =
      std::make_shared<std::atomic<std::uint64_t>>(0); // chores may outlive the level
};

} // namespace kroton::cache
