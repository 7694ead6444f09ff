/// What takes for ever costs a time-out, once: name servers, file systems, code of others.
#include <chrono>
#include <cstdlib>
#include <thread>

#include <kroton/cache.hpp>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cache/chores.hpp"
#include "cache/http.hpp"
#include "cache/store.hpp"
#include "test/cache/servers.hpp"
#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/process.hpp"
#include "test/survival/faults.hpp"

using namespace kroton::cache;
using namespace kroton::test;
using namespace std::chrono_literals;
using kroton::CacheOptions;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

/// Much longer than any time-out here, much shorter than what hangs.
constexpr auto patience = 5s;

Artifact code() { return artifact_of("code"); }

/// Until the test's end.
struct Hanging {
  explicit Hanging(const char* part) { faults::hang(part); }
  Hanging(const Hanging&) = delete;
  Hanging& operator=(const Hanging&) = delete;
  ~Hanging() { faults::resume(); }
};

/// A store whose look-ups, or publications, do not come back before the test is over.
class Sleeper final : public kroton::CacheLevel {
public:
  explicit Sleeper(bool finds) : finds_(finds) {}
  ~Sleeper() override { ++gone; }

  std::optional<std::string> find(std::string_view) override {
    if (finds_) return {};
    wait();
    return {};
  }
  void publish(std::string_view, std::string_view) override { wait(); }
  std::string describe() const override { return "the sleeper"; }

  static inline std::atomic<bool> is_over = false;
  static inline std::atomic<int> gone = 0;

private:
  static void wait() {
    while (!is_over) std::this_thread::sleep_for(1ms);
  }
  bool finds_;
};

/// Five kernels through a store with that shared level: each is right, and all together take one
/// time-out. What was logged.
std::string check_bounded(CacheOptions options) {
  const CapturedLog log;
  options.url_timeout_ms = 300;
  options.url_connect_timeout_ms = 200;
  Store store(Store::Options::from(options));
  const auto start = Clock::now();
  for (int i = 0; i < 5; ++i)
    CHECK(*store.get_or_make(key_of(std::to_string(i)), code).artifact == code());
  CHECK(Clock::now() - start < patience);
  return log.text();
}

} // namespace

// libcurl waits for the thread that its resolver runs on, and curl_version for the name of this
// very machine.
TEST_CASE("a name server that is silent costs one time-out", "[survival][threads-in-child]") {
  const int status = wait_for(in_child([] {
    const CapturedLog log;
    faults::hang_names();
    HttpLevel level(
        {.url = "http://cache.example/kernels", .connect_timeout = 200ms, .timeout = 300ms});
    const auto start = Clock::now();
    std::string reason;
    try {
      level.find(key_of("a").digest.hex());
    } catch (const std::runtime_error& e) {
      reason = e.what();
    }
    return reason == "Timeout was reached" && Clock::now() - start < patience &&
           !level.find(key_of("a").digest.hex()) && Clock::now() - start < patience &&
           log.text().find("switched off") != std::string::npos;
  }));
  CHECK(status == 0);
}

TEST_CASE("a store that has an address instead of a name needs no name server",
          "[survival][threads-in-child]") {
  const RawServer server([](int connection, int) {
    hear(connection);
    say(connection, "HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  const int status = wait_for(in_child([&] {
    const CapturedLog log;
    faults::hang_names(); // also for this machine's own name
    HttpLevel level({.url = server.url(), .connect_timeout = 20s, .timeout = 60s});
    const auto start = Clock::now();
    return !level.find(key_of("a").digest.hex()) && Clock::now() - start < patience;
  }));
  CHECK(status == 0);
}

TEST_CASE("a process whose upload waits for a name server ends in time",
          "[survival][threads-in-child]") {
  const TempDir dir;
  const auto start = Clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    faults::hang_names();
    {
      HttpLevel level({.url = "http://cache.example/kernels", .timeout = 60s});
      level.publish(key_of("a").digest.hex(), "entry");
    }
    std::exit(0); // where uploads are waited for
  }
  CHECK(wait_for(child) == 0);
  CHECK(Clock::now() - start < patience);
}

TEST_CASE("a process whose chore hangs ends in time", "[survival][threads-in-child]") {
  const auto start = Clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    Chores::process().add(0, [](const Chores::Stop&) {
      while (true) ::pause();
    });
    std::exit(0);
  }
  CHECK(wait_for(child) == 0);
  CHECK(Clock::now() - start < patience);
}

TEST_CASE("a read-only directory that hangs costs one time-out", "[survival]") {
  const TempDir dir;
  Store(disk_options(dir.path())).publish(key_of("0"), artifact_of("never read"));
  for (const std::string& part : {dir.path().filename().string(), std::string("v2/")}) {
    CAPTURE(part);
    const Hanging hanging(part.c_str());
    const std::string log =
        check_bounded({.path = {dir.path().string()}, .trusts_unsigned_path = true});
    CHECK_THAT(log, contains(dir.path().string() + ": switched off for this process"));
  }
}

TEST_CASE("a store of the user's own that does not come back costs one time-out", "[survival]") {
  for (const bool finds : {false, true}) {
    CAPTURE(finds);
    Sleeper::is_over = false;
    const int gone = Sleeper::gone;
    CHECK_THAT(check_bounded({.levels = {std::make_shared<Sleeper>(finds)}}),
               contains("the sleeper: switched off for this process"));
    CHECK(Sleeper::gone == gone); // it is not destroyed under a call of its own
    Sleeper::is_over = true;
    while (Sleeper::gone == gone) std::this_thread::sleep_for(1ms);
  }
}

TEST_CASE("a fork does not wait for a read-only directory that hangs", "[survival]") {
  const TempDir dir;
  const CapturedLog log;
  const std::string part = dir.path().filename().string();
  const Hanging hanging(part.c_str());
  Store store(Store::Options::from(
      {.path = {dir.path().string()}, .trusts_unsigned_path = true, .url_timeout_ms = 20'000}));
  std::thread asking([&] { static_cast<void>(store.look_up(key_of("a"))); });
  std::this_thread::sleep_for(100ms); // it hangs by then; a slower machine tests less
  const auto start = Clock::now();
  CHECK(wait_for(in_child([] { return true; })) == 0);
  CHECK(Clock::now() - start < patience);
  faults::resume();
  asking.join();
}

TEST_CASE("an entry that is longer than wanted is not read from any level", "[survival]") {
  const CapturedLog log;
  const TempDir dir;
  const fs::path entry = entry_path(dir.path(), key_of("a"));
  fs::create_directories(entry.parent_path());
  write_file(entry, "");
  const auto check = [&](std::uint64_t nbytes, std::uint64_t max_bytes, const char* reason) {
    fs::resize_file(entry, nbytes); // takes no room on the disk
    Store store(Store::Options::from(
        {.path = {dir.path().string()}, .trusts_unsigned_path = true, .max_url_bytes = max_bytes}));
    const Lookup lookup = store.look_up(key_of("a"));
    CHECK_FALSE(lookup.artifact);
    CHECK_THAT(lookup.miss_reason, contains(reason));
  };
  constexpr std::uint64_t mib = std::uint64_t{1} << 20;
  check(255 * mib, CacheOptions{}.max_url_bytes, "too long");
  check(1001, 1000, "too long");
  check(1000, 1000, "not a Kroton cache entry");

  struct Chatter final : kroton::CacheLevel {
    std::optional<std::string> find(std::string_view) override { return std::string(1001, 'x'); }
    void publish(std::string_view, std::string_view) override {}
    std::string describe() const override { return "the chatter"; }
  };
  Store store(Store::Options::from({.levels = {std::make_shared<Chatter>()},
                                    .trusts_unsigned_levels = true,
                                    .max_url_bytes = 1000}));
  CHECK_THAT(store.look_up(key_of("a")).miss_reason,
             contains("the chatter: the entry is too long"));
}

TEST_CASE("what is no file is no entry of a read-only directory, and is not waited for",
          "[survival]") {
  const CapturedLog log;
  const TempDir dir;
  const fs::path entry = entry_path(dir.path(), key_of("a"));
  fs::create_directories(entry.parent_path());
  const auto check = [&] {
    for (const bool is_trusted : {false, true}) {
      Store store(Store::Options::from(
          {.path = {dir.path().string()}, .trusts_unsigned_path = is_trusted}));
      const auto start = Clock::now();
      CHECK_THAT(store.look_up(key_of("a")).miss_reason, contains("is not a file"));
      CHECK(Clock::now() - start < 4s); // less than its time-out
    }
    fs::remove(entry);
  };
  REQUIRE(::mkfifo(entry.c_str(), 0600) == 0);
  check();
  fs::create_directory(entry);
  check();
  fs::create_symlink("/dev/zero", entry);
  check();
  if (::mknod(entry.c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0) check(); // /dev/zero itself
}
