/// Keys that nobody can make without dying cost a few processes, and then no more.
#include <csignal>
#include <cstdlib>
#include <future>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <kroton/error.hpp>
#include <unistd.h>

#include "cache/crash.hpp"
#include "cache/inventory.hpp"
#include "cache/store.hpp"
#include "lib/support/error.hpp"
#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/process.hpp"

using namespace kroton::cache;
using namespace kroton::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

Artifact code() { return {{{"object", std::string(300'000, 'c')}, {"log", ""}}, "x86-64-v3"}; }

Artifact crash() {
  ::raise(SIGSEGV);
  return code();
}

/// A process that dies while it is making the key.
void die_of(const fs::path& dir, int signal) {
  const int status = wait_for(in_child([&] {
    const CapturedLog log;
    Store(disk_options(dir)).get_or_make(key_of("a"), [&] {
      ::signal(signal, SIG_DFL); // not the test's own handler
      ::raise(signal);
      return code();
    });
    return true;
  }));
  CHECK(WIFSIGNALED(status));
}

/// What a look-up in a process of its own throws; "made" if it throws nothing.
std::string outcome_of(const fs::path& dir, Artifact (*make)(), const Key& key = key_of("a")) {
  const CapturedLog log;
  Store::Options options = disk_options(dir);
  options.has_feature = [](std::string_view) { return true; };
  try {
    const Lookup lookup = Store(options).get_or_make(key, make);
    return *lookup.artifact == code() ? std::string(to_string(lookup.outcome)) : "wrong";
  } catch (const kroton::CompileError& e) {
    return e.what();
  }
}

bool has_notes(const fs::path& dir) {
  return fs::exists(entry_path(dir, key_of("a")).replace_extension(".crash"));
}

} // namespace

TEST_CASE("a key that processes have died of is tried in a child, and then not at all",
          "[survival]") {
  const TempDir dir;
  for (int i = 0; i < suspicious_deaths; ++i) die_of(dir.path(), SIGSEGV);
  // This process would die of it as well.
  CHECK_THAT(outcome_of(dir.path(), crash), contains("died of it (signal 11"));
  CHECK_THAT(outcome_of(dir.path(), crash), contains("kroton cache clear --crashed"));
  CHECK_THAT(outcome_of(dir.path(), code), contains("died of it")); // known: not even tried
  CHECK(outcome_of(dir.path(), code, key_of("b")) == "made");       // others are
  fs::remove(entry_path(dir.path(), key_of("a")).replace_extension(".crash"));
  CHECK(outcome_of(dir.path(), code) == "made");
}

TEST_CASE("a key that processes were killed over is made all the same", "[survival]") {
  const TempDir dir;
  for (const int signal : {SIGKILL, SIGTERM, SIGINT}) die_of(dir.path(), signal);
  CHECK(outcome_of(dir.path(), code) == "made");
  CHECK_FALSE(has_notes(dir.path()));
  CHECK(outcome_of(dir.path(), code) == "disk");
}

TEST_CASE("a process that was ended once while making a key makes nobody suspicious",
          "[survival]") {
  const TempDir dir;
  die_of(dir.path(), SIGKILL);
  static pid_t here;
  here = ::getpid();
  CHECK(outcome_of(dir.path(), [] {
          return ::getpid() == here ? code() : Artifact{}; // in no child
        }) == "made");
  CHECK_FALSE(has_notes(dir.path()));
}

TEST_CASE("what a child throws, or is too slow for, is done here", "[survival]") {
  const TempDir dir;
  for (int i = 0; i < suspicious_deaths; ++i) die_of(dir.path(), SIGABRT);
  CHECK(outcome_of(dir.path(), []() -> Artifact {
          kroton::support::fail<kroton::CompileError>("clang", {}, "no");
        }) == "clang: no");
  const auto start = std::chrono::steady_clock::now();
  const Trial trial = try_in_child(
      [] {
        ::pause();
        return code();
      },
      50ms);
  CHECK_FALSE(trial.artifact);
  CHECK(trial.verdict.empty());
  CHECK(std::chrono::steady_clock::now() - start < 10s);
  CHECK(try_in_child(code, 20s).artifact == code());
}

// Programs often end while a version of a function is being compiled that nobody waits for.
TEST_CASE("a process that exits while it is making a key leaves no claim",
          "[survival][threads-in-child]") {
  const TempDir dir;
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    std::promise<void> is_making;
    std::thread([&] {
      Store(disk_options(dir.path())).get_or_make(key_of("a"), [&]() -> Artifact {
        is_making.set_value();
        while (true) ::pause();
      });
    }).detach();
    is_making.get_future().wait();
    std::exit(0);
  }
  CHECK(wait_for(child) == 0);
  const fs::path claim = entry_path(dir.path(), key_of("a")).replace_extension(".claim");
  CHECK(fs::exists(claim.parent_path()));
  CHECK_FALSE(fs::exists(claim));
}

TEST_CASE("notes of crashes are counted, and swept after a week", "[survival]") {
  const TempDir dir;
  for (int i = 0; i < suspicious_deaths; ++i) die_of(dir.path(), SIGSEGV);
  static_cast<void>(outcome_of(dir.path(), crash));
  const Fd fd(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY));
  CHECK(take_inventory(fd.get()).crashes.files == 1);
  const fs::path notes = entry_path(dir.path(), key_of("a")).replace_extension(".crash");
  const auto age = [&](std::chrono::hours hours) {
    fs::last_write_time(notes, fs::file_time_type::clock::now() - hours);
    Store(disk_options(dir.path())).sweep();
    return fs::exists(notes);
  };
  CHECK(age(48h));
  CHECK_FALSE(age(24h * 8));
}
