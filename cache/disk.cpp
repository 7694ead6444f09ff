#include "cache/disk.hpp"

#include <algorithm>
#include <cerrno>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "cache/chores.hpp"
#include "cache/directory.hpp"
#include "cache/layout.hpp"
#include "cache/sweep.hpp"
#include "lib/support/log.hpp"

namespace kroton::cache {
namespace {

using support::Area;
using support::log;

constexpr std::int64_t day_s = 24 * 3600;

/// Makes a folder whose name is on the disk when this returns 0, unless it was there before.
int make_folder(int directory, const std::string& folder, const char* parent) {
  if (::mkdirat(directory, folder.c_str(), 0700) == 0) return sync_folder(directory, parent);
  return errno == EEXIST ? 0 : errno;
}

int make_shard(int directory, const std::string& hex) {
  if (const int error = make_folder(directory, version_path(), ".")) return error;
  return make_folder(directory, shard_path(hex), version_path().c_str());
}

/// Writes `bytes` beside its place and renames it into it: a reader sees a whole file or none.
/// If it is to be durable, that holds after a power failure too: the bytes are on the disk before
/// the name, and the name is when this returns 0.
int write_whole(int directory, const std::string& hex, std::string_view bytes, bool is_durable) {
  const std::string temporary =
      fmt::format("{}/{}{}", shard_path(hex), temporary_prefix, unique_suffix());
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL;
  auto [fd, error] = open_at(directory, temporary.c_str(), flags, 0600);
  if (error == ENOENT) {
    if (const int failure = make_shard(directory, hex)) return failure;
    auto second = open_at(directory, temporary.c_str(), flags, 0600);
    fd = std::move(second.fd);
    error = second.error;
  }
  if (!fd) return error;

  error = write_all(fd.get(), bytes);
  if (error == 0 && is_durable && ::fsync(fd.get()) != 0) error = errno;
  if (const int close_error = fd.close(); error == 0) error = close_error;
  if (error == 0 &&
      ::renameat(directory, temporary.c_str(), directory, entry_path(hex).c_str()) != 0)
    error = errno;
  if (error != 0)
    ::unlinkat(directory, temporary.c_str(), 0);
  else if (is_durable)
    error = sync_folder(directory, shard_path(hex).c_str());
  return error;
}

std::uint64_t sweep_logged(const Fd& directory, const std::filesystem::path& path,
                           std::uint64_t max_bytes, const Chores::Stop& is_over) {
  const auto start = std::chrono::steady_clock::now();
  const SweepResult result = sweep(directory.get(), max_bytes, is_over);
  const auto took = std::chrono::steady_clock::now() - start;
  log(Area::cache)
      ->debug("swept {}: {} entries evicted, {} bytes left, {} ms", path.string(), result.evicted,
              result.nbytes_left,
              std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  return result.evicted;
}

} // namespace

DiskLevel::DiskLevel(std::filesystem::path directory, const Policy& policy)
    : path_(std::move(directory)), policy_(policy) {
  take(open_directory(path_));
  if (!refusal_.empty()) log(Area::cache)->warn("caching in memory only: {}", refusal_);
  if (!read_only_.empty()) log(Area::cache)->warn("{}", read_only_);
}

void DiskLevel::take(OpenedDirectory opened) {
  directory_ = opened.fd ? std::make_shared<const Fd>(std::move(opened.fd)) : nullptr;
  refusal_ = std::move(opened.refusal);
  read_only_ = std::move(opened.read_only);
}

std::string DiskLevel::refusal() const {
  const std::lock_guard lock(mutex_);
  return refusal_;
}

std::string DiskLevel::read_only() const {
  const std::lock_guard lock(mutex_);
  return read_only_;
}

DiskLevel::Directory DiskLevel::directory() const {
  const std::lock_guard lock(mutex_);
  return directory_;
}

/// The directory in the place of one that was deleted while in use, created anew where needed and
/// examined as at the start. Null when it is refused now.
DiskLevel::Directory DiskLevel::reopen(const Directory& gone) {
  OpenedDirectory opened = open_directory(path_);
  const std::lock_guard lock(mutex_);
  if (directory_ != gone) return directory_; // another thread was first
  take(std::move(opened));
  if (directory_)
    log(Area::cache)->info("{} was deleted while in use and is there again", path_.string());
  else
    log(Area::cache)->warn("caching in memory only from now on: {}", refusal_);
  return directory_;
}

/// Moves an entry of wrong content out of the way, for people to look at, or removes it where the
/// quarantine is no folder that only we can write to. Never called for an error of reading: the
/// entry may be sound, and other machines may be reading it.
bool DiskLevel::quarantine(const Directory& directory, const std::string& path,
                           const FileBytes& file, std::string_view reason) {
  const int fd = directory->get();
  struct stat now;
  if (::fstatat(fd, path.c_str(), &now, AT_SYMLINK_NOFOLLOW) != 0) return false;
  const bool was_examined = file.status.st_ino != 0;
  if (was_examined && (now.st_ino != file.status.st_ino || now.st_dev != file.status.st_dev))
    return false; // a sound one has been published over it
  const std::string target =
      fmt::format("{}/{}-{}", quarantine_name, path.substr(path.rfind('/') + 1), unique_suffix());
  const bool is_moved = make_directory(fd, quarantine_name.data()) == 0 &&
                        why_folders_untrusted(*directory, path_, target).empty() &&
                        ::renameat(fd, path.c_str(), fd, target.c_str()) == 0;
  if (!is_moved && remove_all(fd, path) != 0) return false;
  log(Area::cache)
      ->warn("entry {}: {}; {}", path, reason,
             is_moved ? "moved to " + (path_ / target).string() : "removed");
  return true;
}

DiskFind DiskLevel::find(const Key& key) {
  const auto miss = [](std::string reason, bool is_quarantined = false) {
    return DiskFind{nullptr, std::move(reason), 0, is_quarantined ? 1u : 0u};
  };
  Directory directory = this->directory();
  if (!directory) return miss(refusal());

  const std::string path = entry_path(key.digest.hex());
  if (std::string why = why_folders_untrusted(*directory, path_, path); !why.empty())
    return miss(std::move(why));
  constexpr ReadOptions options{.touch_after_s = day_s};
  FileBytes file = read_file(directory->get(), path.c_str(), max_entry_bytes, options);
  if ((file.error == ENOENT || file.error == ESTALE) && is_gone(*directory)) {
    directory = reopen(directory);
    if (!directory) return miss(refusal());
    file = read_file(directory->get(), path.c_str(), max_entry_bytes, options);
  }

  if (file.is_foreign) {
    constexpr std::string_view reason = "not a file of ours, or too long";
    return miss(fmt::format("entry put aside: {}", reason),
                quarantine(directory, path, file, reason));
  }
  if (file.error == ENOENT) return miss("no entry");
  if (file.error != 0) return miss(fmt::format("cannot read entry: {}", error_text(file.error)));

  Admission admission = admit(file.bytes, key, policy_);
  if (!admission.artifact)
    return miss(admission.reason,
                admission.is_damaged && quarantine(directory, path, file, admission.reason));
  return {std::move(admission.artifact), {}, file.bytes.size(), 0};
}

DiskTurn DiskLevel::take_turn(const Key& key, std::chrono::milliseconds max_claim_age) {
  using namespace std::chrono_literals;
  using Clock = std::chrono::steady_clock;
  const std::string hex = key.digest.hex();
  const std::string path = claim_path(hex);
  const auto deadline = Clock::now() + 2 * max_claim_age;

  DiskTurn turn;
  if (!read_only().empty()) return turn;
  for (auto pause = 200us;; pause = std::min(pause * 3 / 2, std::chrono::microseconds(10ms))) {
    const Directory directory = this->directory();
    if (!directory || !why_folders_untrusted(*directory, path_, path).empty()) return turn;
    ClaimAttempt attempt = try_claim(directory, path, max_claim_age);
    if (attempt.error == ENOENT && make_shard(directory->get(), hex) == 0)
      attempt = try_claim(directory, path, max_claim_age);
    if (!attempt.claim && !attempt.is_taken) return turn;
    // With the claim in hand too: its last holder may have published just before letting go.
    DiskFind found = find(key);
    turn.found.quarantined += found.quarantined;
    if (found.artifact) {
      found.quarantined = turn.found.quarantined;
      turn.found = std::move(found);
      return turn; // a claim of ours ends here
    }
    if (attempt.claim) {
      if (!attempt.dead.empty()) note_death(*directory, crash_path(hex), attempt.dead);
      turn.claim = std::move(attempt.claim);
      turn.crashes = read_crash_notes(*directory, crash_path(hex));
      return turn;
    }
    if (Clock::now() > deadline) {
      log(Area::cache)
          ->info("key {}: another process has been making it for {} ms; not waiting "
                 "any longer",
                 hex.substr(0, 12), (2 * max_claim_age).count());
      return turn;
    }
    std::this_thread::sleep_for(pause);
  }
}

void DiskLevel::note_crash(const Key& key, std::string_view verdict) {
  if (const Directory directory = this->directory())
    note_verdict(*directory, crash_path(key.digest.hex()), verdict);
}

void DiskLevel::forget_crashes(const Key& key) {
  if (const Directory directory = this->directory())
    ::unlinkat(directory->get(), crash_path(key.digest.hex()).c_str(), 0);
}

/// On a full disk: evicts what was used longest ago, so that an entry of that length and the next
/// one fit. False if there is not so much to evict.
bool DiskLevel::make_room(const Fd& directory, std::uint64_t nbytes) {
  const SweepResult result = evict(directory.get(), 2 * nbytes);
  if (result.evicted == 0) return false;
  *evicted_ += result.evicted;
  log(Area::cache)
      ->info("{}: the disk is full; {} entries evicted, {} bytes left", path_.string(),
             result.evicted, result.nbytes_left);
  return true;
}

DiskPublish DiskLevel::publish(const support::Digest& digest, std::string_view entry,
                               bool is_durable) {
  Directory directory = this->directory();
  if (!directory) return {0, refusal()};
  if (std::string why = read_only(); !why.empty()) return {0, std::move(why)};
  if (entry.size() > max_entry_bytes)
    return {0, fmt::format("an entry of {} bytes is too long to keep", entry.size())};

  const std::string hex = digest.hex();
  if (std::string why = why_folders_untrusted(*directory, path_, entry_path(hex)); !why.empty())
    return {0, std::move(why)};
  int error = write_whole(directory->get(), hex, entry, is_durable);
  if ((error == ENOSPC || error == EDQUOT) && make_room(*directory, entry.size()))
    error = write_whole(directory->get(), hex, entry, is_durable);
  if (error == ENOENT || error == ESTALE) {
    // Either the whole directory was deleted or a part of it; a second time is not chance.
    if (is_gone(*directory)) directory = reopen(directory);
    if (!directory) return {0, refusal()};
    error = write_whole(directory->get(), hex, entry, is_durable);
  }
  if (error != 0) return {0, error_text(error)};
  return {entry.size(), {}};
}

std::uint64_t DiskLevel::sweep(std::uint64_t max_bytes) {
  const Directory directory = this->directory();
  if (!directory) return 0;
  static_cast<void>(is_sweep_due(directory->get())); // sets the stamp when it is old
  const std::uint64_t evicted = sweep_logged(*directory, path_, max_bytes, nullptr);
  *evicted_ += evicted;
  return evicted;
}

void DiskLevel::sweep_if_due(std::uint64_t max_bytes) {
  const Directory directory = this->directory();
  if (!directory || !is_sweep_due(directory->get())) return;
  // Where too many chores wait, the next hour's sweep will do.
  static_cast<void>(Chores::process().add(
      0, [directory, path = path_, max_bytes, evicted = evicted_](const Chores::Stop& is_over) {
        try {
          *evicted += sweep_logged(*directory, path, max_bytes, is_over);
        } catch (const std::exception& e) {
          log(Area::cache)->warn("cannot sweep {}: {}", path.string(), e.what());
        }
      }));
}

} // namespace kroton::cache
