#pragma once
/// Claim files, by which processes that miss on the same key at once let one of them compile.
/// A claim is advice, not a lock: whoever ignores it, or loses it, only does work twice.
///
///   ClaimAttempt attempt = try_claim(directory, "v2/ab/abcd.claim", 5s);
///   if (attempt.claim) …                   // ours until `attempt.claim` is destroyed
///   else if (attempt.is_taken) …           // somebody alive is at it; look again later
///   else …                                 // no claims can be made here: go ahead without
#include <chrono>
#include <memory>
#include <string>

#include <sys/types.h>

#include "cache/file.hpp"

namespace kroton::cache {

/// Removes its file when it goes, or when the process begins to exit, unless somebody took the
/// claim over meanwhile. A file that stays tells that the process was killed, or crashed.
class Claim {
public:
  Claim(std::shared_ptr<const Fd> directory, std::string path, std::string token);
  ~Claim();
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

private:
  class Held;
  void release() const;

  std::shared_ptr<const Fd> directory_;
  std::string path_;
  std::string token_;
  pid_t process_;
};

struct ClaimAttempt {
  std::unique_ptr<Claim> claim;
  bool is_taken = false;
  int error = 0;         ///< Why there is neither; ENOENT when the folder is missing.
  std::string dead = {}; ///< What a process left in its claim that is gone from this machine.
};

/// Claims `path` by creating it. Takes over a claim that is older than `max_age` by the
/// file's time, or whose process ran on this machine and has ended.
ClaimAttempt try_claim(const std::shared_ptr<const Fd>& directory, const std::string& path,
                       std::chrono::milliseconds max_age);

} // namespace kroton::cache
