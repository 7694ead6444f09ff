/// File systems that are really full or read-only, and limits that are really reached.
#include <csignal>

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "cache/store.hpp"
#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/process.hpp"

using namespace kroton::cache;
using namespace kroton::test;
namespace fs = std::filesystem;

namespace {

Artifact code() { return artifact_of(std::string(50'000, 'c')); }

/// Ends a child that may not mount what its test needs.
constexpr int cannot_mount = 77;

/// Checks that `body` returns true where `dir` is a file system of its own of 256 KiB, in a child.
/// Says so if this user may mount nothing.
template <class F> void check_on_small_disk(const fs::path& dir, F body) {
  const int status = wait_for(in_child([&] {
    if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
      ::_exit(cannot_mount);
    ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    if (::mount("tmpfs", dir.c_str(), "tmpfs", 0, "size=256k,mode=0700") != 0)
      ::_exit(cannot_mount);
    return body();
  }));
  if (WIFEXITED(status) && WEXITSTATUS(status) == cannot_mount)
    WARN("not tested: this user may mount no file system");
  else
    CHECK(status == 0);
}

} // namespace

TEST_CASE("a disk that fills up costs entries and nothing else", "[survival]") {
  const TempDir dir;
  const CapturedLog log;
  check_on_small_disk(dir.path(), [&] {
    Store store(disk_options(dir.path()));
    bool is_right = true;
    for (int i = 0; i < 12; ++i)
      is_right = is_right && *store.get_or_make(key_of(std::to_string(i)), code).artifact == code();
    const Stats stats = store.stats();
    for (int i = 0; i < 12; ++i)
      is_right = is_right && *store.get_or_make(key_of(std::to_string(i)), code).artifact == code();
    // Some fit, some did not, and no half entry was left among them.
    return is_right && stats.published > 0 && stats.published < 12 &&
           store.stats().hits_disk >= stats.published && store.stats().quarantined == 0 &&
           count_files(dir.path()) <= stats.published + 1;
  });
}

TEST_CASE("a file system that becomes read-only still serves what it has", "[survival]") {
  const TempDir dir;
  const CapturedLog log;
  check_on_small_disk(dir.path(), [&] {
    Store store(disk_options(dir.path()));
    store.publish(key_of("a"), code());
    // The store's own descriptors are for reading; mounted anew, all writing fails.
    if (::mount("none", dir.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0)
      ::_exit(cannot_mount);
    return store.look_up(key_of("a")).outcome == Outcome::disk &&
           store.get_or_make(key_of("b"), code).outcome == Outcome::made &&
           store.get_or_make(key_of("b"), code).outcome == Outcome::made &&
           store.stats().quarantined == 0;
  });
}

TEST_CASE("a limit on the length of files costs entries and nothing else", "[survival]") {
  const TempDir dir;
  const CapturedLog log;
  const int status = wait_for(in_child([&] {
    const rlimit limit{20'000, 20'000};
    ::signal(SIGXFSZ, SIG_IGN);
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    Store store(disk_options(dir.path()));
    return *store.get_or_make(key_of("a"), code).artifact == code() &&
           store.get_or_make(key_of("b"), [] { return artifact_of("short"); }).artifact &&
           store.look_up(key_of("b")).outcome == Outcome::disk && store.stats().published == 1 &&
           count_files(dir.path()) == 2;
  }));
  CHECK(status == 0);
}

TEST_CASE("permissions that are taken away while running cost entries and nothing else",
          "[survival]") {
  const TempDir dir;
  const CapturedLog log;
  const int status = wait_for(in_child([&] {
    if (!become_owner_of(dir.path())) return false;
    Store store(disk_options(dir.path()));
    store.publish(key_of("a"), code());
    ::chmod(dir.path().c_str(), 0);
    bool is_right = *store.get_or_make(key_of("a"), code).artifact == code() &&
                    *store.get_or_make(key_of("b"), code).artifact == code();
    ::chmod(dir.path().c_str(), 0700);
    return is_right && store.look_up(key_of("a")).outcome == Outcome::disk &&
           store.stats().quarantined == 0;
  }));
  CHECK(status == 0);
}
