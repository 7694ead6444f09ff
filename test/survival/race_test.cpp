/// Many processes on one directory.
#include <chrono>
#include <thread>

#include <fcntl.h>

#include "cache/store.hpp"
#include "cache/sweep.hpp"
#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/process.hpp"

using namespace kroton::cache;
using namespace kroton::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

TEST_CASE("64 processes on one empty cache make each artifact about once", "[survival]") {
  const TempDir dir, record;
  constexpr int processes = 64, keys = 4;
  const int succeeded = run_together(processes, [&](int) {
    Store store({.directory = dir.path() / "cache", .max_claim_age = 60s});
    bool is_right = true;
    for (int k = 0; k < keys; ++k) {
      const std::string name(1, static_cast<char>('a' + k));
      const Artifact wanted = artifact_of(std::string(20'000, name[0]));
      const Lookup lookup = store.get_or_make(key_of(name), [&] {
        write_file(record.path() / (name + std::to_string(::getpid())), "");
        std::this_thread::sleep_for(10ms); // as a compiler would
        return wanted;
      });
      is_right = is_right && *lookup.artifact == wanted;
    }
    return is_right;
  });
  CHECK(succeeded == processes);
  CHECK(count_files(record.path()) >= keys);
  CHECK(count_files(record.path()) <= keys + 2); // a claim is advice
  CHECK(count_files(dir.path()) == keys + 1);    // and the stamp; no claim, nothing temporary
}

TEST_CASE("entries that are evicted while others read and write them are never seen in part",
          "[survival]") {
  const TempDir dir;
  const CapturedLog log;
  const auto start = std::chrono::steady_clock::now();
  // A second, or longer on a machine that is too busy for `count` to have grown by then.
  const auto goes_on = [&](std::uint64_t count) {
    const auto took = std::chrono::steady_clock::now() - start;
    return took < 1s || (count == 0 && took < 30s);
  };
  const int succeeded = run_together(6, [&](int i) {
    if (i == 0) {
      const Fd fd(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY));
      std::uint64_t evicted = 0;
      while (goes_on(evicted)) evicted += sweep(fd.get(), 40'000).evicted;
      return evicted > 0;
    }
    std::uint64_t hits = 0, quarantined = 0;
    bool is_right = true;
    for (unsigned n = 0; goes_on(hits); ++n) {
      const std::string name = std::to_string((n * 7 + static_cast<unsigned>(i)) % 12);
      const Artifact wanted = artifact_of(std::string(10'000, name[0]));
      Store store(disk_options(dir.path()));
      is_right =
          is_right && *store.get_or_make(key_of(name), [&] { return wanted; }).artifact == wanted;
      hits += store.stats().hits_disk;
      quarantined += store.stats().quarantined;
    }
    return is_right && quarantined == 0 && hits > 0;
  });
  CHECK(succeeded == 6);
}

TEST_CASE("a directory that is deleted again and again while in use harms nobody", "[survival]") {
  const TempDir parent;
  const CapturedLog log;
  const fs::path dir = parent.path() / "cache";
  const auto until = std::chrono::steady_clock::now() + 1s;
  const int succeeded = run_together(4, [&](int i) {
    if (i == 0) {
      while (std::chrono::steady_clock::now() < until) {
        std::error_code ignored;
        fs::remove_all(dir, ignored);
        std::this_thread::sleep_for(2ms);
      }
      return true;
    }
    Store store(disk_options(dir));
    bool is_right = true;
    for (unsigned n = 0; std::chrono::steady_clock::now() < until; ++n) {
      const std::string name = std::to_string(n % 5);
      const Lookup lookup = store.get_or_make(key_of(name), [&] { return artifact_of(name); });
      is_right = is_right && *lookup.artifact == artifact_of(name) && lookup.took < 5s;
    }
    return is_right && store.stats().quarantined == 0;
  });
  CHECK(succeeded == 4);
}
