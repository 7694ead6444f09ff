/// Levels that others fill: order, filling back, whom they are believed from, levels of users' own.
#include "cache/shared.hpp"

#include <map>
#include <mutex>
#include <stdexcept>

#include <sys/stat.h>
#include <unistd.h>

#include "cache/entry.hpp"
#include "cache/layout.hpp"
#include "cache/read_only.hpp"
#include "cache/store.hpp"
#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"

using namespace kroton::cache;
using namespace kroton::test;
namespace fs = std::filesystem;
namespace kt = kroton;

namespace {

/// A store of a user's own, as the documentation shows one.
class MapLevel final : public kt::CacheLevel {
public:
  std::optional<std::string> find(std::string_view digest) override {
    const std::lock_guard lock(mutex_);
    if (is_broken) throw std::runtime_error("the map is broken");
    const auto found = entries.find(std::string(digest));
    if (found == entries.end()) return {};
    return found->second;
  }
  void publish(std::string_view digest, std::string_view entry) override {
    const std::lock_guard lock(mutex_);
    if (is_broken) throw std::runtime_error("the map is broken");
    entries[std::string(digest)] = entry;
  }
  std::string describe() const override { return "a map"; }

  std::map<std::string, std::string> entries;
  bool is_broken = false;

private:
  std::mutex mutex_;
};

void place(const fs::path& dir, const Key& key, const std::string& entry) {
  const fs::path path = entry_path(dir, key);
  fs::create_directories(path.parent_path());
  write_file(path, entry);
}

/// A directory that some other user's process filled.
void fill(const fs::path& dir, const Key& key, const std::string& content,
          const SigningKey* signer = nullptr) {
  place(dir, key, write_entry(key.record, artifact_of(content), signer));
}

Artifact fresh() { return artifact_of("fresh"); }

Store::Options with_level(std::shared_ptr<kt::CacheLevel> level, bool is_trusted = true) {
  return {.memory_only = false, .max_memory_bytes = 0, .shared = {{std::move(level), is_trusted}}};
}

std::shared_ptr<ReadOnlyDirectory> read_only(const fs::path& path,
                                             Ownership ownership = Ownership::any) {
  return std::make_shared<ReadOnlyDirectory>(path, ownership);
}

} // namespace

TEST_CASE("levels are asked in order, and what one has is kept in those before it", "[cache]") {
  const TempDir own, near, far;
  const auto map = std::make_shared<MapLevel>();
  fill(far.path(), key_of("a"), "far");
  fill(near.path(), key_of("b"), "near");
  fill(far.path(), key_of("b"), "far");
  Store::Options options = disk_options(own.path());
  options.shared = {{read_only(near.path()), true}, {map, true}, {read_only(far.path()), true}};
  Store store(options);

  const Lookup a = store.get_or_make(key_of("a"), fresh);
  CHECK(a.outcome == Outcome::shared);
  CHECK(a.level == far.path().string());
  CHECK(*a.artifact == artifact_of("far"));
  CHECK(a.miss_reason.empty());
  CHECK(map->entries.contains(key_of("a").digest.hex()));
  CHECK(count_files(near.path()) == 1); // never written to
  CHECK(store.get_or_make(key_of("a"), fresh).outcome == Outcome::disk);

  const Lookup b = store.look_up(key_of("b"));
  CHECK(b.level == near.path().string());
  CHECK(*b.artifact == artifact_of("near"));
  CHECK_FALSE(map->entries.contains(key_of("b").digest.hex()));

  const Lookup c = store.get_or_make(key_of("c"), fresh);
  CHECK(c.outcome == Outcome::made);
  CHECK(map->entries.contains(key_of("c").digest.hex()));
  CHECK(count_files(far.path()) == 2);

  const Stats stats = store.stats();
  CHECK(stats.hits_shared == 2);
  CHECK(stats.hits_disk == 1);
  REQUIRE(stats.levels.size() == 3);
  CHECK(stats.levels[0].hits == 1);
  CHECK(stats.levels[0].misses == 2);
  CHECK(stats.levels[1].misses == 2);
  CHECK(stats.levels[2].hits == 1);
}

TEST_CASE("an entry that is filled back keeps its signature", "[cache]") {
  const TempDir own, other, config;
  const SigningKey signer = SigningKey::generate();
  REQUIRE(trust_key(config.path(), "farm", signer.public_key()).empty());
  fill(other.path(), key_of("a"), "code", &signer);
  Store::Options options = disk_options(own.path());
  options.shared = {{read_only(other.path())}};
  options.config = config.path();
  CHECK(Store(options).look_up(key_of("a")).outcome == Outcome::shared);
  CHECK(read_file(entry_path(own.path(), key_of("a"))) ==
        read_file(entry_path(other.path(), key_of("a"))));
}

TEST_CASE("a shared level's entries are used only if a trusted key signed them", "[cache]") {
  const TempDir dir, config;
  const CapturedLog log;
  const SigningKey trusted = SigningKey::generate(), unknown = SigningKey::generate();
  REQUIRE(trust_key(config.path(), "farm", trusted.public_key()).empty());
  fill(dir.path(), key_of("signed"), "code", &trusted);
  fill(dir.path(), key_of("unknown"), "code", &unknown);
  fill(dir.path(), key_of("unsigned"), "code");
  Store::Options options = with_level(read_only(dir.path()), false);
  options.config = config.path();
  Store store(options);
  CHECK(store.look_up(key_of("signed")).outcome == Outcome::shared);
  CHECK_THAT(store.get_or_make(key_of("unknown"), fresh).miss_reason, contains("is not trusted"));
  CHECK_THAT(store.get_or_make(key_of("unsigned"), fresh).miss_reason,
             contains(dir.path().string() + ": entry unusable: it is not signed"));
  CHECK(store.stats().levels[0].refused == 2);
  CHECK(count_files(dir.path()) == 3); // what is of no use to us is left alone
}

TEST_CASE("damaged, replayed and foreign entries of a shared level are misses", "[cache]") {
  const TempDir dir;
  const CapturedLog log;
  const Key a = key_of("a"), b = key_of("b");
  Store store(with_level(read_only(dir.path())));
  const std::string sound = write_entry(a.record, artifact_of("code"));
  const auto reason = [&](const Key& key, const std::string& entry) {
    place(dir.path(), key, entry);
    const Lookup lookup = store.look_up(key);
    CHECK_FALSE(lookup.artifact);
    return lookup.miss_reason;
  };
  std::string flipped = sound;
  flipped[sound.size() / 2] ^= 1;
  CHECK_THAT(reason(a, flipped), contains("checksum differs"));
  CHECK_THAT(reason(a, sound.substr(0, 40)), contains("length differs"));
  CHECK_THAT(reason(b, sound), contains("belongs to another key"));
  CHECK_THAT(reason(a, write_entry(a.record, {{}, "x86-64-v4 no-such-feature"})),
             contains("which this CPU lacks"));
  CHECK(store.stats().levels[0].refused == 4);
  place(dir.path(), a, sound);
  CHECK(store.look_up(a).outcome == Outcome::shared);
}

TEST_CASE("links, folders and pipes in a shared directory are not followed", "[cache]") {
  const TempDir dir, elsewhere;
  const CapturedLog log;
  const Key key = key_of("a");
  const fs::path path = entry_path(dir.path(), key);
  fs::create_directories(path.parent_path());
  Store store(with_level(read_only(dir.path())));
  write_file(elsewhere.path() / "entry", write_entry(key.record, artifact_of("code")));
  fs::create_symlink(elsewhere.path() / "entry", path);
  CHECK_THAT(store.look_up(key).miss_reason, contains("is not a file"));
  fs::remove(path);
  fs::create_directory(path);
  CHECK_THAT(store.look_up(key).miss_reason, contains("is not a file"));
  fs::remove(path);
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK_THAT(store.look_up(key).miss_reason, contains("is not a file"));
  CHECK(store.stats().levels[0].failed == 3);
}

TEST_CASE("a directory trusted without signatures must be one that nobody else can write to",
          "[cache]") {
  const TempDir dir;
  const CapturedLog log;
  const Key key = key_of("a");
  fill(dir.path(), key, "code");
  const auto look = [&] {
    return Store(with_level(read_only(dir.path(), Ownership::checked))).look_up(key);
  };
  CHECK(look().outcome == Outcome::shared);
  ::chmod(dir.path().c_str(), 0777);
  CHECK_THAT(look().miss_reason, contains("is writable by others"));
  ::chmod(dir.path().c_str(), 0755);
  ::chmod(entry_path(dir.path(), key).c_str(), 0666);
  CHECK_THAT(look().miss_reason, contains("is writable by others"));
  ::chmod(entry_path(dir.path(), key).c_str(), 0644);
  CHECK(look().outcome == Outcome::shared);
  const fs::path shard = entry_path(dir.path(), key).parent_path();
  for (const fs::path& folder : {shard, shard.parent_path()}) {
    ::chmod(folder.c_str(), 0770);
    CHECK_THAT(look().miss_reason, contains("chmod go-w " + folder.string()));
    ::chmod(folder.c_str(), 0755);
    CHECK(look().outcome == Outcome::shared);
    fs::rename(folder, dir.path() / "away");
    fs::create_directory_symlink(dir.path() / "away", folder);
    CHECK_THAT(look().miss_reason, contains("is no folder"));
    fs::remove(folder);
    fs::rename(dir.path() / "away", folder);
  }
  if (::geteuid() != 0) return; // only root can give a file away
  REQUIRE(::chown(entry_path(dir.path(), key).c_str(), 12345, 12345) == 0);
  CHECK_THAT(look().miss_reason, contains("belongs to user 12345"));
}

TEST_CASE("a shared directory that is missing, deleted or back again is no error", "[cache]") {
  const TempDir dir;
  const CapturedLog log;
  const fs::path path = dir.path() / "mounted";
  Store store(with_level(read_only(path)));
  CHECK(store.get_or_make(key_of("a"), fresh).outcome == Outcome::made);
  CHECK_THAT(log.text(), contains("cannot open it: No such file"));
  CHECK_THAT(log.text(), contains("KROTON_CACHE_PATH"));
  fill(path, key_of("a"), "code");
  CHECK(store.look_up(key_of("a")).outcome == Outcome::shared);
  fs::remove_all(path);
  CHECK_FALSE(store.look_up(key_of("a")).artifact);
  fill(path, key_of("a"), "code");
  CHECK(store.look_up(key_of("a")).outcome == Outcome::shared);
}

TEST_CASE("a level of a user's own that throws is a miss with its reason", "[cache]") {
  const CapturedLog log;
  const auto map = std::make_shared<MapLevel>();
  Store store(with_level(map));
  map->is_broken = true;
  const Lookup lookup = store.get_or_make(key_of("a"), fresh);
  CHECK(lookup.outcome == Outcome::made);
  CHECK_THAT(lookup.miss_reason, contains("a map: the map is broken"));
  CHECK(store.stats().levels[0].failed == 2); // a lookup and a publication
  map->is_broken = false;
  store.publish(key_of("a"), fresh());
  CHECK(store.look_up(key_of("a")).outcome == Outcome::shared);
}

TEST_CASE("after a look-up that missed, making does not ask the shared levels again", "[cache]") {
  const auto map = std::make_shared<MapLevel>();
  Store store(with_level(map));
  const Lookup missed = store.look_up(key_of("a"));
  REQUIRE_FALSE(missed.artifact);
  const Lookup made = store.get_or_make(key_of("a"), fresh, &missed);
  CHECK(made.outcome == Outcome::made);
  CHECK(made.miss_reason == missed.miss_reason);
  CHECK(store.stats().levels[0].misses == 1);
}

TEST_CASE("keeping everything in memory leaves shared levels alone", "[cache]") {
  const auto map = std::make_shared<MapLevel>();
  Store::Options options = with_level(map);
  options.memory_only = true;
  Store store(options);
  store.publish(key_of("a"), fresh());
  CHECK(map->entries.empty());
  CHECK(store.stats().levels.empty());
}
