/// What the store survives: damaged entries, odd directories, processes that race or die.
#include <atomic>
#include <csignal>
#include <future>
#include <thread>

#include <sys/resource.h>
#include <sys/stat.h>

#include "cache/entry.hpp"
#include "cache/store.hpp"
#include "lib/support/fork.hpp"
#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/checksum.hpp"
#include "test/support/process.hpp"

using namespace kroton::cache;
using namespace kroton::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

Artifact fresh() { return artifact_of("fresh"); }

} // namespace

TEST_CASE("an entry cut anywhere or with any byte changed is a miss and is quarantined",
          "[cache]") {
  const TempDir dir;
  const CapturedLog log;
  const Key key = key_of("a");
  Store(disk_options(dir.path())).publish(key, artifact_of("code"));
  const fs::path path = entry_path(dir.path(), key);
  const std::string entry = read_file(path);

  std::vector<std::string> damaged;
  for (std::size_t n = 0; n < entry.size(); ++n) {
    damaged.push_back(entry.substr(0, n));
    damaged.push_back(entry);
    damaged.back()[n] = static_cast<char>(damaged.back()[n] ^ 0x40);
  }
  Store store(disk_options(dir.path()));
  std::size_t survived = 0;
  for (const std::string& bytes : damaged) {
    write_file(path, bytes);
    survived += !store.find(key) && !fs::exists(path);
  }
  CHECK(survived == damaged.size());
  CHECK(store.stats().quarantined == damaged.size());
  CHECK(count_files(dir.path() / "quarantine") == damaged.size());
  CHECK_THAT(log.text(), contains("checksum differs; moved to"));

  write_file(path, damaged.back());
  const Lookup lookup = store.get_or_make(key, fresh);
  CHECK(lookup.outcome == Outcome::made);
  CHECK(lookup.miss_reason == "entry put aside: checksum differs");
  CHECK(*store.find(key) == fresh());
}

TEST_CASE("the entry of another key under this key's name is quarantined", "[cache]") {
  const TempDir dir;
  const CapturedLog log;
  Store store(disk_options(dir.path()));
  store.publish(key_of("a"), artifact_of("code"));
  const fs::path path = entry_path(dir.path(), key_of("b"));
  fs::create_directories(path.parent_path());
  fs::copy_file(entry_path(dir.path(), key_of("a")), path);
  const Lookup lookup = store.get_or_make(key_of("b"), fresh);
  CHECK(lookup.miss_reason == "entry put aside: it belongs to another key");
  CHECK(*lookup.artifact == fresh());
  CHECK(store.stats().quarantined == 1);
}

TEST_CASE("a sound entry of another format version is a miss and stays", "[cache]") {
  const TempDir dir;
  Store store(disk_options(dir.path()));
  const Key key = key_of("a");
  std::string entry = write_entry(key.record, artifact_of("code"));
  entry[8] = 3;
  entry = with_checksum(std::move(entry));
  fs::create_directories(entry_path(dir.path(), key).parent_path());
  write_file(entry_path(dir.path(), key), entry);
  CHECK_FALSE(store.find(key));
  CHECK(store.stats().quarantined == 0);
  CHECK(read_file(entry_path(dir.path(), key)) == entry);
}

TEST_CASE("links, folders, pipes and empty files under an entry's name are put aside", "[cache]") {
  const TempDir dir, elsewhere;
  const CapturedLog log;
  Store store(disk_options(dir.path()));
  const Key key = key_of("a");
  const fs::path path = entry_path(dir.path(), key);
  fs::create_directories(path.parent_path());
  const auto check = [&](const char* what) {
    CAPTURE(what);
    CHECK_FALSE(store.find(key));
    CHECK_FALSE(fs::exists(fs::symlink_status(path)));
  };
  write_file(elsewhere.path() / "entry", write_entry(key.record, artifact_of("code")));
  fs::create_symlink(elsewhere.path() / "entry", path);
  check("a symbolic link, even to a sound entry");
  CHECK(fs::exists(elsewhere.path() / "entry"));
  fs::create_directory(path);
  check("a folder");
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  check("a pipe");
  write_file(path, "");
  check("an empty file");
  CHECK(store.stats().quarantined == 4);
}

TEST_CASE("an error of reading is a miss and leaves the entry where it is", "[cache]") {
  const TempDir dir;
  const CapturedLog log;
  Store store(disk_options(dir.path()));
  store.publish(key_of("a"), artifact_of("code"));
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &old) == 0);
  const rlimit none{0, old.rlim_max}; // every open fails with EMFILE
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const Lookup lookup = store.get_or_make(key_of("a"), fresh);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &old) == 0);
  CHECK(lookup.outcome == Outcome::made);
  CHECK(lookup.miss_reason == "cannot read entry: Too many open files");
  CHECK(store.stats().quarantined == 0);
  CHECK(*store.find(key_of("a")) == artifact_of("code"));
}

TEST_CASE("a directory that cannot be made leaves the cache in memory", "[cache]") {
  const TempDir dir;
  const CapturedLog log;
  write_file(dir.path() / "file", "");
  Store store({.directory = dir.path() / "file" / "cache"});
  CHECK_THAT(log.text(), contains("caching in memory only: cannot create " +
                                  (dir.path() / "file" / "cache").string() + ": Not a directory"));
  CHECK_THAT(log.text(), contains("set KROTON_CACHE_DIR"));
  const Lookup lookup = store.get_or_make(key_of("a"), fresh);
  CHECK(lookup.outcome == Outcome::made);
  CHECK_THAT(lookup.miss_reason, contains("cannot create"));
  CHECK(store.get_or_make(key_of("a"), fresh).outcome == Outcome::memory);
  CHECK(store.stats().published == 0);
}

TEST_CASE("a directory without write permission is read, and said so once", "[cache]") {
  const TempDir dir;
  const int status = wait_for(in_child([&] {
    if (!become_owner_of(dir.path())) return false;
    Store(disk_options(dir.path())).publish(key_of("kept"), artifact_of("kept"));
    const auto count = count_files(dir.path());
    const CapturedLog log;
    ::chmod(dir.path().c_str(), 0500);
    Store store({.directory = dir.path()});
    const bool is_right = store.look_up(key_of("kept")).outcome == Outcome::disk &&
                          store.get_or_make(key_of("a"), fresh).outcome == Outcome::made &&
                          store.get_or_make(key_of("a"), fresh).outcome == Outcome::memory &&
                          store.get_or_make(key_of("b"), fresh).outcome == Outcome::made &&
                          store.directory() == dir.path() && store.stats().published == 0;
    ::chmod(dir.path().c_str(), 0700);
    const std::string text = log.text();
    return is_right && text.find("is not writable: Permission denied") != std::string::npos &&
           text.find('\n') == text.size() - 1 && count_files(dir.path()) == count;
  }));
  CHECK(status == 0);
}

TEST_CASE("a directory that may not be looked into leaves the cache in memory", "[cache]") {
  const TempDir dir;
  const int status = wait_for(in_child([&] {
    if (!become_owner_of(dir.path())) return false;
    const CapturedLog log;
    ::chmod(dir.path().c_str(), 0400);
    Store store({.directory = dir.path()});
    const bool is_right = store.get_or_make(key_of("a"), fresh).outcome == Outcome::made &&
                          store.get_or_make(key_of("a"), fresh).outcome == Outcome::memory;
    ::chmod(dir.path().c_str(), 0700);
    return is_right && log.text().find("cannot look into") != std::string::npos &&
           count_files(dir.path()) == 0;
  }));
  CHECK(status == 0);
}

TEST_CASE("a directory that others may write to is refused with the remedy", "[cache]") {
  for (const mode_t mode : {0777, 0770, 0702, 01777}) {
    const TempDir dir;
    const CapturedLog log;
    ::chmod(dir.path().c_str(), mode);
    Store store({.directory = dir.path()});
    CHECK_THAT(log.text(), contains("is writable by others (mode 0") ||
                               contains("is writable by others (mode 1777)"));
    CHECK_THAT(log.text(), contains("chmod go-w " + dir.path().string()));
    CHECK(store.directory().empty());
    store.publish(key_of("a"), artifact_of("code"));
    CHECK(store.find(key_of("a")));
    CHECK(count_files(dir.path()) == 0);
  }
}

TEST_CASE("a directory of somebody else's is refused with the remedy", "[cache]") {
  if (::geteuid() != 0) return; // only root can give a directory away
  const TempDir dir;
  const CapturedLog log;
  REQUIRE(::chown(dir.path().c_str(), 12345, 12345) == 0);
  Store store({.directory = dir.path()});
  CHECK_THAT(log.text(), contains("belongs to user 12345, not to user 0"));
  store.publish(key_of("a"), artifact_of("code"));
  CHECK(count_files(dir.path()) == 0);
}

TEST_CASE("a directory deleted while in use is made again", "[cache]") {
  const TempDir dir;
  const fs::path path = dir.path() / "deep" / "cache";
  Store store(disk_options(path));
  CHECK(fs::status(path).permissions() == fs::perms::owner_all);
  store.publish(key_of("a"), artifact_of("code"));
  fs::remove_all(dir.path() / "deep");
  CHECK_FALSE(store.find(key_of("a")));
  store.publish(key_of("a"), artifact_of("code"));
  CHECK(store.find(key_of("a")));
  fs::remove_all(path);
  store.publish(key_of("b"), artifact_of("code")); // without a lookup before
  CHECK(store.find(key_of("b")));
  fs::remove_all(path / "v2"); // only a part
  store.publish(key_of("c"), artifact_of("code"));
  CHECK(store.find(key_of("c")));
  CHECK(fs::exists(entry_path(path, key_of("c"))));
}

TEST_CASE("a directory that comes back unsafe is refused then", "[cache]") {
  const TempDir dir;
  const CapturedLog log;
  const fs::path path = dir.path() / "cache";
  Store store(disk_options(path));
  CHECK(store.directory() == path);
  fs::remove_all(path);
  fs::create_directory(path);
  ::chmod(path.c_str(), 0777);
  store.publish(key_of("a"), artifact_of("code"));
  CHECK_THAT(log.text(), contains("caching in memory only from now on"));
  CHECK(store.directory().empty());
  CHECK(count_files(path) == 0);
}

TEST_CASE("eight processes on one empty directory all succeed, and one of them compiles",
          "[cache]") {
  const TempDir dir, record;
  const int succeeded = run_together(8, [&](int) {
    Store store({.directory = dir.path() / "cache", .max_claim_age = 60s});
    bool is_right = true;
    for (const char* name : {"a", "b", "c"}) {
      const Lookup lookup = store.get_or_make(key_of(name), [&] {
        write_file(record.path() / (name + std::to_string(::getpid())), "");
        return artifact_of(std::string(100'000, name[0]));
      });
      is_right = is_right && *lookup.artifact == artifact_of(std::string(100'000, name[0]));
    }
    return is_right;
  });
  CHECK(succeeded == 8);
  CHECK(count_files(record.path()) == 3);
  CHECK(count_files(dir.path()) == 4); // three entries, the stamp; no claim, nothing temporary
}

TEST_CASE("children forked while other threads use the store can use it at once", "[cache]") {
  const TempDir dir;
  Store store({.directory = dir.path()});
  store.publish(key_of("a"), artifact_of("code"));
  std::atomic<bool> is_over = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      while (!is_over) static_cast<void>(store.find(key_of("a")));
    });
  int right = 0;
  for (int i = 0; i < 50; ++i)
    right += wait_for(in_child([&] {
               ::alarm(20); // a child that waits for a lock for ever ends here
               return store.find(key_of("a")) != nullptr;
             })) == 0;
  is_over = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 50);
}

TEST_CASE("a child forked while a thread reads keys reads them itself", "[cache]") {
  kroton::support::ForkLazy<int> keys;
  std::promise<void> is_reading, goes_on;
  std::thread reader([&] {
    CHECK(keys.get([&] {
      is_reading.set_value();
      goes_on.get_future().wait();
      return 1;
    }) == 2); // the first value is kept
  });
  is_reading.get_future().wait();
  const int status = wait_for(in_child([&] {
    ::alarm(20); // a child that waits for the reader for ever ends here
    return keys.get([] { return 3; }) == 3;
  }));
  CHECK(status == 0);
  CHECK(keys.get([] { return 2; }) == 2);
  goes_on.set_value();
  reader.join();
}

TEST_CASE("a process killed while making is not waited for", "[cache]") {
  const TempDir dir;
  Store::Options options = disk_options(dir.path());
  options.max_claim_age = 60s;
  const pid_t child = in_child([&] {
    Store(options).get_or_make(key_of("a"), []() -> Artifact {
      ::raise(SIGKILL);
      return {};
    });
    return false;
  });
  REQUIRE(WIFSIGNALED(wait_for(child)));
  REQUIRE(count_files(dir.path()) == 1); // its claim
  const Lookup lookup = Store(options).get_or_make(key_of("a"), fresh);
  CHECK(lookup.outcome == Outcome::made);
  CHECK(lookup.took < 10s);
  CHECK(count_files(dir.path()) == 2); // the entry and the stamp
}

TEST_CASE("a claim from another machine is believed for its time and no longer", "[cache]") {
  const TempDir dir;
  Store::Options options = disk_options(dir.path());
  options.max_claim_age = 50ms;
  const fs::path claim = entry_path(dir.path(), key_of("a")).replace_extension(".claim");
  fs::create_directories(claim.parent_path());
  write_file(claim, "elsewhere-1-0");
  const Lookup lookup = Store(options).get_or_make(key_of("a"), fresh);
  CHECK(lookup.outcome == Outcome::made);
  CHECK(lookup.took >= 30ms);
  CHECK(lookup.took < 10s);
  CHECK_FALSE(fs::exists(claim));
}

TEST_CASE("a child forked while a thread is making does not wait for that thread", "[cache]") {
  const TempDir dir;
  Store::Options options{.memory_only = true};
  Store store(options);
  int status = -1;
  store.get_or_make(key_of("a"), [&] {
    // The same thread forks here: in the child, the flight has nobody to land it.
    status = wait_for(
        in_child([&] { return store.get_or_make(key_of("a"), fresh).outcome == Outcome::made; }));
    return fresh();
  });
  CHECK(status == 0);
}
