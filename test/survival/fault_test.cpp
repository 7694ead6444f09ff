/// Writers that are killed, and file systems that fail, at every single step of a lookup and a
/// publish: the result is right, nobody waits, and no half entry is ever seen.
#include <chrono>
#include <csignal>

#include <sys/ptrace.h>

#include "cache/store.hpp"
#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/process.hpp"
#include "test/survival/faults.hpp"

using namespace kroton::cache;
using namespace kroton::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// Longer than a page, so that half a write shows.
Artifact code() { return artifact_of(std::string(10'000, 'c')); }

/// No lookup is answered from memory. Whoever waits for a claim does so for 10 ms, or for
/// two minutes if `is_patient`: for tests that nobody has to wait.
Store::Options options_for(const fs::path& dir, bool is_patient = false) {
  Store::Options options = disk_options(dir);
  options.max_claim_age = is_patient ? std::chrono::milliseconds(60s) : 5ms;
  return options;
}

bool is_code(const Lookup& lookup) { return lookup.artifact && *lookup.artifact == code(); }

/// A store that comes later finds the directory in order: the entry is right or missing, nothing in
/// it is damaged, and it waits for nobody who is dead.
void check_aftermath(const fs::path& dir, bool is_patient = false) {
  Store store(options_for(dir, is_patient));
  const Lookup lookup = store.get_or_make(key_of("a"), code);
  CHECK(is_code(lookup));
  CHECK(lookup.took < 10s);
  CHECK(store.stats().quarantined == 0);
  CHECK(Store(options_for(dir)).look_up(key_of("a")).outcome == Outcome::disk);
}

/// Makes each file operation of two lookups and a publish fail in turn, alone and with all after
/// it.
void check_failing_everywhere(int error) {
  for (const bool is_lasting : {false, true}) {
    if (is_lasting && error == EINTR) continue; // is tried again for ever, as it should be
    int steps = 0;
    for (bool is_reached = true; is_reached; ++steps) {
      CAPTURE(error, is_lasting, steps);
      const TempDir dir;
      Store store(options_for(dir.path()));
      faults::arm({.at = steps + 1, .error = error, .is_lasting = is_lasting});
      const Lookup made = store.get_or_make(key_of("a"), code);
      const Lookup again = store.get_or_make(key_of("a"), code);
      is_reached = faults::disarm();
      CHECK((is_code(made) && is_code(again)));
      CHECK((made.took < 10s && again.took < 10s));
      check_aftermath(dir.path());
      REQUIRE(steps < 200);
    }
    CHECK(steps > 10);
  }
}

/// Lets a traced child run to its stop of that number at a system call, and kills it there; false
/// if it ended before, as it should.
bool kill_at_stop(pid_t child, int stop) {
  int status = wait_for(child); // it stopped itself
  REQUIRE(WIFSTOPPED(status));
  for (int i = 0; i <= stop; ++i) {
    REQUIRE(::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0);
    status = wait_for(child);
    if (WIFSTOPPED(status)) continue;
    CHECK(status == 0);
    return false;
  }
  ::kill(child, SIGKILL);
  status = wait_for(child);
  CHECK(WIFSIGNALED(status));
  return true;
}

} // namespace

TEST_CASE("a writer killed before any of its file operations leaves the cache sound",
          "[survival]") {
  const CapturedLog log;
  int steps = 0;
  for (bool was_killed = true; was_killed; ++steps) {
    CAPTURE(steps);
    const TempDir dir;
    const int status = wait_for(in_child([&] {
      Store store(options_for(dir.path(), true));
      faults::arm({.at = steps + 1, .kills = true});
      return is_code(store.get_or_make(key_of("a"), code));
    }));
    was_killed = WIFSIGNALED(status);
    if (!was_killed) REQUIRE(status == 0);
    check_aftermath(dir.path(), true);
    // What the killed one left is swept when it is an hour old.
    faults::shift_clock(2 * 3600);
    static_cast<void>(Store(options_for(dir.path())).sweep());
    faults::shift_clock(0);
    CHECK(count_files(dir.path()) == 2); // the entry and the stamp
    REQUIRE(steps < 200);
  }
  CHECK(steps > 10);
}

TEST_CASE("a writer killed before or after any of its system calls leaves the cache sound",
          "[survival]") {
  const CapturedLog log;
  int stops = 0;
  for (bool was_killed = true; was_killed; ++stops) {
    CAPTURE(stops);
    const TempDir dir;
    const Store::Options options = options_for(dir.path(), true);
    const pid_t child = in_child([&] {
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      ::raise(SIGSTOP);
      return is_code(Store(options).get_or_make(key_of("a"), code));
    });
    was_killed = kill_at_stop(child, stops);
    check_aftermath(dir.path(), true);
    REQUIRE(stops < 2000);
  }
  CHECK(stops > 60); // each call stops twice: before it and after it
}

TEST_CASE("a file operation that fails costs an entry at most", "[survival]") {
  const CapturedLog log;
  for (const int error : {ENOSPC, EDQUOT, ESTALE, EBUSY, EINTR}) check_failing_everywhere(error);
}

TEST_CASE("a file operation that fails for any reason costs an entry at most",
          "[survival][.slow]") {
  const CapturedLog log;
  for (const int error : {EIO, EROFS, EACCES, EPERM, EMFILE, ENOENT, ELOOP, ENOMEM})
    check_failing_everywhere(error);
}

TEST_CASE("an entry that is there is not damaged by reading that fails", "[survival]") {
  const CapturedLog log;
  for (const int error : {EIO, ESTALE, EACCES, EMFILE, ENOMEM, ETIMEDOUT}) {
    const TempDir dir;
    Store(options_for(dir.path())).publish(key_of("a"), code());
    bool is_reached = true;
    for (int at = 1; is_reached; ++at) {
      CAPTURE(error, at);
      Store store(options_for(dir.path()));
      faults::arm({.at = at, .error = error});
      const Lookup lookup = store.look_up(key_of("a"));
      is_reached = faults::disarm();
      CHECK((!lookup.artifact || is_code(lookup)));
      CHECK(store.stats().quarantined == 0);
      REQUIRE(at < 50);
    }
    CHECK(is_code(Store(options_for(dir.path())).look_up(key_of("a"))));
  }
}

TEST_CASE("reads and writes that do a part of their work at a time come to the end", "[survival]") {
  const TempDir dir;
  faults::arm({.is_short = true});
  CHECK(is_code(Store(options_for(dir.path())).get_or_make(key_of("a"), code)));
  CHECK(Store(options_for(dir.path())).look_up(key_of("a")).outcome == Outcome::disk);
  faults::disarm();
  check_aftermath(dir.path());
}

TEST_CASE("clocks that jump make nobody wait and nothing vanish", "[survival]") {
  constexpr std::int64_t year_s = 365 * 24 * 3600;
  for (const std::int64_t shift :
       {-10 * year_s, std::int64_t{-7200}, std::int64_t{7200}, 10 * year_s}) {
    CAPTURE(shift);
    const TempDir dir;
    Store(options_for(dir.path(), true)).publish(key_of("a"), code());
    const fs::path claim = entry_path(dir.path(), key_of("b")).replace_extension(".claim");
    fs::create_directories(claim.parent_path());
    write_file(claim,
               "elsewhere-1-0"); // made "now" by another machine, whose clock we do not share
    faults::shift_clock(shift);
    Store store(options_for(dir.path(), true));
    CHECK(store.look_up(key_of("a")).outcome == Outcome::disk);
    const Lookup made = store.get_or_make(key_of("b"), code);
    CHECK(store.sweep() == 0);
    faults::shift_clock(0);
    CHECK(is_code(made));
    CHECK(made.took < 10s);
    CHECK(Store(options_for(dir.path(), true)).look_up(key_of("a")).outcome == Outcome::disk);
  }
}
