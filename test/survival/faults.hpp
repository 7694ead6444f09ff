#pragma once
/// System calls that fail, kill or hang when a test says so. This executable has functions of its
/// own in the place of the C library's openat, write, fsync, …, so libkroton.so calls them.
///
///   faults::arm({.at = 3, .error = ENOSPC});     // the third file operation from now on fails
///   store.publish(key, artifact);
///   const bool is_reached = faults::disarm();    // whether there were as many as three
#include <cerrno>
#include <cstdint>

namespace kroton::test::faults {

struct Plan {
  int at = 1;              ///< Which file operation from now on, counted from 1.
  int error = 0;           ///< The errno value it fails with.
  bool kills = false;      ///< Ends the process with SIGKILL before the operation.
  bool is_lasting = false; ///< All operations from there on fail as well.
  bool is_short = false;   ///< Reads and writes do half of what they are asked to; nothing fails.
};

/// Of the whole process; for tests with one thread.
void arm(const Plan&);
/// Whether the operation was reached.
bool disarm();

/// Whatever opens a path that contains `part`, or asks a name server, waits until `resume`.
void hang(const char* part);
void hang_names();
void resume();

/// Shifts what clocks tell of the time of day, as seen by this process.
void shift_clock(std::int64_t seconds);

} // namespace kroton::test::faults
