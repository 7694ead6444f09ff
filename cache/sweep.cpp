#include "cache/sweep.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <string>
#include <tuple>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/file.hpp"
#include "cache/inventory.hpp"

namespace kroton::cache {
namespace {

constexpr std::int64_t hour_s = 3600;
constexpr std::int64_t week_s = 7 * 24 * hour_s; ///< For what people may want to look at.
constexpr const char* stamp_name = "sweep.stamp";

struct Candidate {
  struct timespec used;
  std::string path;
  std::uint64_t nbytes;
};

/// Counted both ways, so that a clock that was once wrong does not stop sweeping for years.
bool is_older(const struct stat& status, std::int64_t seconds) {
  return std::abs(std::int64_t{::time(nullptr)} - std::int64_t{status.st_mtime}) > seconds;
}

/// Removes what was used longest ago until no more than `goal` of the `total` bytes are left.
SweepResult evict_down_to(int directory, std::vector<Candidate> candidates, std::uint64_t total,
                          std::uint64_t goal, const std::function<bool()>& is_over) {
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.used.tv_sec, a.used.tv_nsec, a.path) <
           std::tie(b.used.tv_sec, b.used.tv_nsec, b.path);
  });
  SweepResult result{0, total};
  for (const Candidate& candidate : candidates) {
    if (result.nbytes_left <= goal || (is_over && is_over())) break;
    // One that another process removed first is gone as well, but not by us.
    if (remove_all(directory, candidate.path) == 0) ++result.evicted;
    result.nbytes_left -= candidate.nbytes;
  }
  return result;
}

/// Quarantined files go first.
Candidate candidate_of(const StoredFile& file) {
  const bool is_quarantined = file.kind == FileKind::quarantined;
  return {is_quarantined ? timespec{} : file.status.st_mtim, file.path, file.nbytes()};
}

} // namespace

bool is_sweep_due(int directory) {
  struct stat status;
  if (::fstatat(directory, stamp_name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!is_older(status, hour_s)) return false;
    return ::utimensat(directory, stamp_name, nullptr, AT_SYMLINK_NOFOLLOW) == 0;
  }
  return errno == ENOENT &&
         static_cast<bool>(open_at(directory, stamp_name, O_WRONLY | O_CREAT, 0600).fd);
}

SweepResult sweep(int directory, std::uint64_t max_bytes, const std::function<bool()>& is_over) {
  std::vector<Candidate> candidates;
  std::uint64_t total = 0;
  const auto goes_on = [&] { return !is_over || !is_over(); };
  visit_files(directory, [&](const StoredFile& file) {
    const bool is_quarantined = file.kind == FileKind::quarantined;
    const bool is_entry = is_quarantined || file.kind == FileKind::entry;
    const bool is_for_people = is_quarantined || file.kind == FileKind::crash;
    if (is_older(file.status, is_for_people ? week_s : hour_s) && (is_quarantined || !is_entry)) {
      static_cast<void>(remove_all(directory, file.path));
      return goes_on();
    }
    if (!is_entry) return goes_on();
    total += file.nbytes();
    candidates.push_back(candidate_of(file));
    return goes_on();
  });
  if (total <= max_bytes) return {0, total};
  return evict_down_to(directory, std::move(candidates), total, max_bytes / 5 * 4, is_over);
}

SweepResult evict(int directory, std::uint64_t nbytes) {
  std::vector<Candidate> candidates;
  std::uint64_t total = 0;
  visit_files(directory, [&](const StoredFile& file) {
    if (file.kind != FileKind::quarantined && file.kind != FileKind::entry) return true;
    total += file.nbytes();
    candidates.push_back(candidate_of(file));
    return true;
  });
  if (total < nbytes) return {0, total};
  return evict_down_to(directory, std::move(candidates), total, total - nbytes, nullptr);
}

} // namespace kroton::cache
