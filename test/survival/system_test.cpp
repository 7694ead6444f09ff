/// File systems that are really full or read-only, and limits that are really reached.
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <kroton/array.hpp>
#include <kroton/error.hpp>
#include <kroton/npy.hpp>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "cache/file.hpp"
#include "cache/store.hpp"
#include "lib/support/log.hpp"
#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/process.hpp"

using namespace kroton::cache;
using namespace kroton::test;
namespace fs = std::filesystem;

namespace {

Artifact code() { return artifact_of(std::string(50'000, 'c')); }

/// `ulimit -f`, in bytes.
void limit_files(rlim_t nbytes) {
  const rlimit limit{nbytes, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(3);
}

/// Whether SIGXFSZ is neither blocked nor pending, and is still what the program made of it.
bool leaves_signals_alone(void (*disposition)(int)) {
  sigset_t mask, pending;
  struct sigaction action {};
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  ::sigpending(&pending);
  ::sigaction(SIGXFSZ, nullptr, &action);
  return sigismember(&mask, SIGXFSZ) == 0 && sigismember(&pending, SIGXFSZ) == 0 &&
         action.sa_handler == disposition;
}

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

TEST_CASE("on a full disk the entries that were used longest ago make room", "[survival]") {
  const TempDir dir;
  const CapturedLog log;
  check_on_small_disk(dir.path(), [&] {
    Store store(disk_options(dir.path()));
    constexpr int count = 12; // four fit
    bool is_right = true;
    for (int i = 0; i < count; ++i) {
      is_right = is_right && *store.get_or_make(key_of(std::to_string(i)), code).artifact == code();
      is_right = is_right && store.look_up(key_of(std::to_string(i))).outcome == Outcome::disk;
    }
    const Stats stats = store.stats();
    // No half entry was left on the way.
    return is_right && stats.published == count && stats.evicted > 0 && stats.quarantined == 0 &&
           count_files(dir.path()) == count - stats.evicted + 1;
  });
}

TEST_CASE("a disk that others have filled costs entries and nothing else", "[survival]") {
  const TempDir dir;
  const CapturedLog log;
  check_on_small_disk(dir.path(), [&] {
    Store store(disk_options(dir.path()));
    store.publish(key_of("small"), artifact_of("short"));
    write_file(dir.path() / "of others", std::string(300'000, 'x')); // as much as fits
    bool is_right = true;
    for (int i = 0; i < 3; ++i)
      is_right = is_right && *store.get_or_make(key_of(std::to_string(i)), code).artifact == code();
    // What there is would not make room enough, so it stays.
    return is_right && store.stats().published == 1 && store.stats().evicted == 0 &&
           store.look_up(key_of("small")).outcome == Outcome::disk;
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

// The kernel sends SIGXFSZ to whoever writes beyond such a limit, which ends a process that says
// nothing about it.
TEST_CASE("a limit on the length of files costs entries and nothing else", "[survival]") {
  const Key big = key_of("a"), small = key_of("b");
  for (const rlim_t limit : {0, 10, 4096, 20'000})
    for (const auto disposition : {SIG_DFL, SIG_IGN}) {
      CAPTURE(limit, disposition == SIG_DFL);
      const TempDir dir;
      const int status = wait_for(in_child([&] {
        const CapturedLog log;
        ::signal(SIGXFSZ, disposition);
        limit_files(limit);
        Store store(disk_options(dir.path()));
        const bool is_right = *store.get_or_make(big, code).artifact == code() &&
                              *store.get_or_make(big, code).artifact == code() &&
                              *store.get_or_make(small, [] {
                                      return artifact_of("short");
                                    }).artifact == artifact_of("short");
        const bool keeps_small = limit >= 4096;
        const std::size_t published = keeps_small ? 1 : 0;
        const bool is_found = store.look_up(small).outcome == Outcome::disk;
        // One warning, and nothing but the entry that fits and the stamp of sweeps.
        const std::string text = log.text();
        const auto first = text.find("File too large");
        return is_right && is_found == keeps_small && store.stats().published == published &&
               first != text.npos && text.find("File too large", first + 1) == text.npos &&
               count_files(dir.path()) == published + (keeps_small ? 1 : 0) &&
               leaves_signals_alone(disposition);
      }));
      CHECK(status == 0);
    }
}

TEST_CASE("a limit on the length of files is an error of save_npy's", "[survival]") {
  const TempDir dir;
  const int status = wait_for(in_child([&] {
    const auto array = kroton::Array::zeros(kroton::DType::f32, {5000});
    limit_files(1000);
    try {
      kroton::save_npy(dir.path() / "x.npy", array);
    } catch (const kroton::FileError& e) {
      return std::string_view(e.what()).find("File too large") != std::string_view::npos &&
             count_files(dir.path()) == 0 && leaves_signals_alone(SIG_DFL);
    }
    return false;
  }));
  CHECK(status == 0);
}

TEST_CASE("what is logged to a file that has reached its limit is lost, and nothing else",
          "[survival]") {
  const TempDir dir;
  const int status = wait_for(in_child([&] {
    const int to = ::open((dir.path() / "log").c_str(), O_WRONLY | O_CREAT, 0600);
    ::dup2(to, STDERR_FILENO);
    limit_files(0);
    for (int i = 0; i < 3; ++i) kroton::support::log(kroton::support::Area::cache)->warn("lost");
    return leaves_signals_alone(SIG_DFL);
  }));
  CHECK(status == 0);
  CHECK(read_file(dir.path() / "log").empty());
}

TEST_CASE("a guarded write takes back its own signal and no other", "[survival]") {
  const TempDir dir;
  const int status = wait_for(in_child([&] {
    const int to = ::open((dir.path() / "x").c_str(), O_WRONLY | O_CREAT, 0600);
    limit_files(0);
    sigset_t blocked, pending;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGXFSZ);
    ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
    ::raise(SIGXFSZ);
    bool is_right = write_all(to, "x") == EFBIG;
    ::sigpending(&pending);
    is_right = is_right && sigismember(&pending, SIGXFSZ) == 1; // the program's own
    ::sigtimedwait(&blocked, nullptr, nullptr);
    is_right = is_right && write_all(to, "x") == EFBIG;
    ::sigpending(&pending);
    return is_right && sigismember(&pending, SIGXFSZ) == 0;
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
