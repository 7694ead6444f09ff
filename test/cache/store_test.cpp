/// The store within one process: outcomes, levels, single flight, eviction.
#include "cache/store.hpp"

#include <atomic>
#include <future>
#include <latch>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <kroton/error.hpp>

#include "cache/chores.hpp"
#include "cache/sweep.hpp"
#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/process.hpp"

using namespace kroton::cache;
using namespace kroton::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

void set_age(const fs::path& path, std::chrono::hours age) {
  fs::last_write_time(path, fs::file_time_type::clock::now() - age);
}

std::chrono::hours age_of(const fs::path& path) {
  return std::chrono::duration_cast<std::chrono::hours>(fs::file_time_type::clock::now() -
                                                        fs::last_write_time(path));
}

} // namespace

TEST_CASE("an artifact is made once, then found in memory, and on disk by the next process",
          "[cache]") {
  const TempDir dir;
  const Key key = key_of("a");
  int makes = 0;
  const auto make = [&] {
    ++makes;
    return artifact_of("code");
  };
  Store first({.directory = dir.path()});
  const Lookup made = first.get_or_make(key, make);
  CHECK(made.outcome == Outcome::made);
  CHECK(made.miss_reason == "no entry");
  CHECK(made.took > 0ns);
  const Lookup again = first.get_or_make(key, make);
  CHECK(again.outcome == Outcome::memory);
  CHECK(again.artifact == made.artifact);

  Store second({.directory = dir.path()});
  const Lookup loaded = second.get_or_make(key, make);
  CHECK(loaded.outcome == Outcome::disk);
  CHECK(loaded.miss_reason.empty());
  CHECK(*loaded.artifact == artifact_of("code"));
  CHECK(makes == 1);

  const auto size = fs::file_size(entry_path(dir.path(), key));
  CHECK(first.stats().misses == 1);
  CHECK(first.stats().hits_memory == 1);
  CHECK(first.stats().published == 1);
  CHECK(first.stats().bytes_written == size);
  CHECK(second.stats().hits_disk == 1);
  CHECK(second.stats().bytes_read == size);
  CHECK(second.stats().misses == 0);
}

TEST_CASE("an artifact that was published is found, and no other is", "[cache]") {
  const TempDir dir;
  Store store(disk_options(dir.path()));
  CHECK(store.find(key_of("a")) == nullptr);
  store.publish(key_of("a"), artifact_of("old"));
  store.publish(key_of("a"), artifact_of("new"));
  REQUIRE(store.find(key_of("a")));
  CHECK(*store.find(key_of("a")) == artifact_of("new"));
  CHECK(store.find(key_of("b")) == nullptr);
  CHECK(store.stats().misses == 2);
  CHECK(store.stats().hits_disk == 2);
}

TEST_CASE("publishing leaves one file of mode 0600 and nothing temporary", "[cache]") {
  const TempDir dir;
  Store(disk_options(dir.path())).publish(key_of("a"), artifact_of("code"));
  CHECK(fs::status(entry_path(dir.path(), key_of("a"))).permissions() ==
        (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(count_files(dir.path()) == 2); // the entry and sweep.stamp
}

TEST_CASE("eight threads that want one artifact make it once and share it", "[cache]") {
  const TempDir dir;
  Store store({.directory = dir.path()});
  std::atomic<int> makes = 0;
  std::latch start(8);
  std::vector<Lookup> lookups(8);
  std::vector<std::thread> threads;
  for (Lookup& lookup : lookups)
    threads.emplace_back([&] {
      start.arrive_and_wait();
      lookup = store.get_or_make(key_of("a"), [&] {
        ++makes;
        return artifact_of("code");
      });
    });
  for (auto& thread : threads) thread.join();
  CHECK(makes == 1);
  int made = 0;
  for (const Lookup& lookup : lookups) {
    CHECK(lookup.artifact == lookups[0].artifact);
    made += lookup.outcome == Outcome::made;
  }
  CHECK(made == 1);
}

TEST_CASE("what make throws reaches every thread that waits, and leaves no trace", "[cache]") {
  const TempDir dir;
  Store store({.directory = dir.path()});
  std::latch start(8);
  std::atomic<int> caught = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      start.arrive_and_wait();
      try {
        store.get_or_make(key_of("a"), []() -> Artifact { throw std::runtime_error("no"); });
      } catch (const std::runtime_error& e) {
        caught += std::string_view(e.what()) == "no";
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(caught == 8);
  CHECK(count_files(dir.path()) == 0); // no entry, no claim
  CHECK(store.get_or_make(key_of("a"), [] { return artifact_of("yes"); }).outcome == Outcome::made);
}

TEST_CASE("making an artifact may ask for another one, not for itself", "[cache]") {
  Store store({.memory_only = true});
  const auto inner = [&] {
    return *store.get_or_make(key_of("b"), [] { return artifact_of("b"); }).artifact;
  };
  CHECK(*store.get_or_make(key_of("a"), inner).artifact == artifact_of("b"));
  const auto itself = [&] { return *store.get_or_make(key_of("c"), inner).artifact; };
  CHECK_THROWS_AS(store.get_or_make(key_of("c"), itself), kroton::InternalError);
}

TEST_CASE("memory keeps what was used last and stays within its bound", "[cache]") {
  Store store({.memory_only = true, .max_memory_bytes = 4000});
  for (const char* name : {"a", "b", "c"})
    store.publish(key_of(name), artifact_of(std::string(1000, 'x')));
  CHECK(store.find(key_of("a")));
  store.publish(key_of("d"), artifact_of(std::string(1000, 'x')));
  CHECK(store.find(key_of("a")));
  CHECK_FALSE(store.find(key_of("b")));
  CHECK(store.find(key_of("d")));
  CHECK(store.stats().bytes_in_memory <= 4000);
  store.publish(key_of("e"), artifact_of(std::string(5000, 'x')));
  CHECK_FALSE(store.find(key_of("e")));
  CHECK(store.find(key_of("a")));
}

TEST_CASE("a sweep removes the least recently used entries down to 80 percent", "[cache]") {
  const TempDir dir;
  Store::Options options = disk_options(dir.path());
  options.max_bytes = 10'000;
  Store store(options);
  // Ten entries of some 1200 bytes, "0" the oldest.
  for (int i = 0; i < 10; ++i) {
    const Key key = key_of(std::to_string(i));
    store.publish(key, artifact_of(std::string(1000, 'x')));
    set_age(entry_path(dir.path(), key), std::chrono::hours(24 * (20 - i)));
  }
  CHECK(store.find(key_of("0"))); // a hit makes it the youngest
  CHECK(store.sweep() == 4);
  CHECK(store.stats().evicted == 4);
  for (int i = 0; i < 10; ++i) {
    CAPTURE(i);
    CHECK(fs::exists(entry_path(dir.path(), key_of(std::to_string(i)))) == (i == 0 || i > 4));
  }
  CHECK(store.sweep() == 0);
}

TEST_CASE("a publish sweeps when an hour has passed since the last sweep, and not before",
          "[cache]") {
  const TempDir dir;
  Store::Options options = disk_options(dir.path());
  options.max_bytes = 2500;
  Store store(options);
  for (const char* name : {"a", "b", "c"}) { // the first one sweeps, and finds little to do
    store.publish(key_of(name), artifact_of(std::string(1000, 'x')));
    Chores::process().wait();
  }
  CHECK(store.stats().evicted == 0);
  set_age(dir.path() / "sweep.stamp", 2h);
  store.publish(key_of("d"), artifact_of(std::string(1000, 'x')));
  Chores::process().wait();
  CHECK(store.stats().evicted == 3);
  CHECK(age_of(dir.path() / "sweep.stamp") == 0h);
}

TEST_CASE("nobody waits for a sweep that is due, and it outlives the store that wanted it",
          "[cache]") {
  const TempDir dir;
  std::promise<void> gate;
  REQUIRE(Chores::process().add(
      0, [open = gate.get_future().share()](const Chores::Stop&) { open.wait(); }));
  Store::Options options = disk_options(dir.path());
  options.max_bytes = 2500;
  {
    Store store(options);
    for (const char* name : {"a", "b", "c"})
      store.publish(key_of(name), artifact_of(std::string(1000, 'x')));
    set_age(dir.path() / "sweep.stamp", 2h);
    store.publish(key_of("d"),
                  artifact_of(std::string(1000, 'x'))); // returns before the gate opens
    CHECK(store.stats().evicted == 0);
  }
  gate.set_value();
  Chores::process().wait();
  CHECK(count_files(dir.path()) == 2); // one entry and the stamp
}

TEST_CASE("a sweep that is told to end leaves the rest for the next", "[cache]") {
  const TempDir dir;
  Store store(disk_options(dir.path()));
  for (const char* name : {"a", "b", "c"})
    store.publish(key_of(name), artifact_of(std::string(1000, 'x')));
  const Fd fd(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY));
  int asked = 0;
  CHECK(sweep(fd.get(), 1, [&] { return ++asked > 4; }).evicted == 1);
  CHECK(sweep(fd.get(), 1, [] { return true; }).evicted == 0);
  CHECK(sweep(fd.get(), 1).evicted == 2);
}

TEST_CASE("the end of a process waits for its sweep, not for ever", "[cache][threads-in-child]") {
  const TempDir dir;
  Store::Options options = disk_options(dir.path());
  options.max_bytes = 2500;
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    {
      Store store(options);
      for (const char* name : {"a", "b", "c"}) { // the first one sweeps, and finds little to do
        store.publish(key_of(name), artifact_of(std::string(1000, 'x')));
        Chores::process().wait();
      }
      set_age(dir.path() / "sweep.stamp", 2h);
      store.publish(key_of("d"), artifact_of(std::string(1000, 'x')));
      Chores::process().add(0, [](const Chores::Stop& is_over) {
        while (!is_over()) std::this_thread::sleep_for(1ms);
      });
    }
    std::exit(7);
  }
  const int status = wait_for(child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 7));
  CHECK(std::chrono::steady_clock::now() - start < 10s);
  CHECK(count_files(dir.path()) == 2);
}

TEST_CASE("a sweep removes what killed writers left, and leaves young files alone", "[cache]") {
  const TempDir dir;
  Store store(disk_options(dir.path()));
  store.publish(key_of("a"), artifact_of("code"));
  const fs::path shard = entry_path(dir.path(), key_of("a")).parent_path();
  for (const char* name : {".tmp-old", "old.claim", ".tmp-young", "young.claim"})
    write_file(shard / name, "x");
  set_age(shard / ".tmp-old", 2h);
  set_age(shard / "old.claim", 2h);
  CHECK(store.sweep() == 0);
  CHECK_FALSE(fs::exists(shard / ".tmp-old"));
  CHECK_FALSE(fs::exists(shard / "old.claim"));
  CHECK(fs::exists(shard / ".tmp-young"));
  CHECK(fs::exists(shard / "young.claim"));
  CHECK(store.find(key_of("a")));
}

TEST_CASE("a hit touches an entry at most daily", "[cache]") {
  const TempDir dir;
  Store store(disk_options(dir.path()));
  store.publish(key_of("a"), artifact_of("code"));
  const fs::path path = entry_path(dir.path(), key_of("a"));
  set_age(path, 5h);
  CHECK(store.find(key_of("a")));
  CHECK(age_of(path) == 5h);
  set_age(path, 30h);
  CHECK(store.find(key_of("a")));
  CHECK(age_of(path) == 0h);
}
