#pragma once
/// Which keys processes have died of, so that the next one does not: beside an entry's place is a
/// note of each process on this machine that ended while it was making the entry, and whether
/// making it is known to end a process.
///
///   v2/ab/abcdef….crash      host-4711-…        a process that was gone, its claim still there
///                            died of signal 11  a child that was made to try it
///
/// A note alone proves nothing: the process may have been killed. So whoever finds several tries
/// the work in a child process first.
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "cache/artifact.hpp"
#include "cache/file.hpp"

namespace kroton::cache {

/// So many processes that were gone make the next one try it in a child.
inline constexpr int suspicious_deaths = 2;

struct CrashNotes {
  int deaths = 0;
  std::string verdict; ///< What a child that tried it died of; empty if none has.
};

/// What is noted at `path`; nothing, if there is no such file, or it is not the user's own.
CrashNotes read_crash_notes(const Fd& directory, const std::string& path);

/// Notes that the process which wrote this token died. Failures go unnoticed.
void note_death(const Fd& directory, const std::string& path, std::string_view token);
/// Notes what a child died of.
void note_verdict(const Fd& directory, const std::string& path, std::string_view verdict);

struct Trial {
  std::optional<Artifact> artifact; ///< What the child made.
  std::string verdict;              ///< What it died of, by its own fault.
};

/// Makes an artifact in a forked child. With neither of the two, the trial has shown nothing: no
/// child could be made, it threw, was killed from outside, or took longer than the limit.
Trial try_in_child(const std::function<Artifact()>& make, std::chrono::milliseconds limit);

} // namespace kroton::cache
