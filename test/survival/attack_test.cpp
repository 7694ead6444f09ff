/// What somebody who gets at the directory, or at what is sent to it, cannot reach.
#include <random>

#include <fcntl.h>
#include <sys/stat.h>

#include "cache/admission.hpp"
#include "cache/entry.hpp"
#include "cache/store.hpp"
#include "cache/sweep.hpp"
#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/checksum.hpp"

using namespace kroton::cache;
using namespace kroton::test;
namespace fs = std::filesystem;

namespace {

Artifact fresh() { return artifact_of("fresh"); }

} // namespace

TEST_CASE("links planted in the directory lead nowhere", "[survival]") {
  const TempDir dir, elsewhere;
  const CapturedLog log;
  const Key key = key_of("a");
  const fs::path victim = elsewhere.path() / "victim", entry = entry_path(dir.path(), key);
  const std::string precious = "precious";
  const auto plant = [&](const fs::path& at) {
    write_file(victim, precious);
    fs::create_directories(at.parent_path());
    fs::remove(at);
    fs::create_symlink(victim, at);
  };

  plant(entry); // under the name of an entry: put aside, not read, not written through
  CHECK(*Store(disk_options(dir.path())).get_or_make(key, fresh).artifact == fresh());
  CHECK(fs::is_regular_file(fs::symlink_status(entry)));
  CHECK(read_file(victim) == precious);

  fs::remove(entry);
  plant(fs::path(entry).replace_extension(".claim")); // of a claim: neither believed nor written
  CHECK(*Store(disk_options(dir.path())).get_or_make(key, fresh).artifact == fresh());
  CHECK(read_file(victim) == precious);

  const auto before = fs::last_write_time(victim);
  plant(dir.path() / "sweep.stamp");
  fs::last_write_time(victim, before);
  Store(disk_options(dir.path())).sweep();
  CHECK(read_file(victim) == precious);
  CHECK(fs::last_write_time(victim) == before);

  // A folder of entries that is elsewhere is not swept.
  fs::create_directories(elsewhere.path() / "v2" / "ab");
  write_file(elsewhere.path() / "v2" / "ab" / "x.kro", std::string(5000, 'x'));
  fs::create_directory_symlink(elsewhere.path() / "v2", dir.path() / "v3");
  fs::create_directory_symlink(elsewhere.path() / "v2" / "ab", dir.path() / "v2" / "zz");
  const Fd fd(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY));
  sweep(fd.get(), 1);
  CHECK(fs::exists(elsewhere.path() / "v2" / "ab" / "x.kro"));
}

TEST_CASE("folders of the directory that are links, or that others can write to, are not used",
          "[survival]") {
  const TempDir dir, elsewhere;
  const CapturedLog log;
  const Key key = key_of("a");
  Store(disk_options(dir.path())).publish(key, artifact_of("planted"));
  const fs::path shard = entry_path(dir.path(), key).parent_path();
  const auto check_unused = [&](const char* reason) {
    Store store(disk_options(dir.path()));
    const Lookup lookup = store.get_or_make(key, fresh);
    CHECK(*lookup.artifact == fresh());
    CHECK_THAT(lookup.miss_reason, contains(reason));
    CHECK(store.stats().published == 0);
  };
  for (const fs::path& folder : {shard, shard.parent_path()}) {
    CAPTURE(folder);
    const fs::path target = elsewhere.path() / "folder";
    fs::rename(folder, target);
    const auto count = count_files(target);
    fs::create_directory_symlink(target, folder);
    check_unused("is no folder");
    CHECK(count_files(target) == count); // nor is anything written through the link
    fs::remove(folder);
    fs::rename(target, folder);
    for (const mode_t mode : {0770, 0702, 01777}) {
      REQUIRE(::chmod(folder.c_str(), mode) == 0);
      check_unused("is writable by others");
    }
    REQUIRE(::chmod(folder.c_str(), 0700) == 0);
    CHECK(*Store(disk_options(dir.path())).find(key) == artifact_of("planted"));
  }
}

TEST_CASE("damaged entries go into no quarantine that leads elsewhere or is open to others",
          "[survival]") {
  const TempDir dir, elsewhere;
  const CapturedLog log;
  const Key key = key_of("a");
  const fs::path quarantine = dir.path() / "quarantine";
  const auto check_removed = [&] {
    Store(disk_options(dir.path())).publish(key, artifact_of("code"));
    write_file(entry_path(dir.path(), key), "damaged");
    Store store(disk_options(dir.path()));
    CHECK(*store.get_or_make(key, fresh).artifact == fresh());
    CHECK(store.stats().quarantined == 1);
    CHECK(*store.find(key) == fresh());
    CHECK_THAT(log.text(), contains("header says; removed"));
  };
  fs::create_directory_symlink(elsewhere.path(), quarantine);
  check_removed();
  CHECK(count_files(elsewhere.path()) == 0);
  fs::remove(quarantine);
  fs::create_directory(quarantine);
  REQUIRE(::chmod(quarantine.c_str(), 0770) == 0);
  check_removed();
  CHECK(count_files(quarantine) == 0);
}

TEST_CASE("an entry that others can write to is put aside", "[survival]") {
  const TempDir dir;
  const CapturedLog log;
  const Key key = key_of("a");
  for (const mode_t mode : {0620, 0602, 0666}) {
    Store(disk_options(dir.path())).publish(key, artifact_of("code"));
    REQUIRE(::chmod(entry_path(dir.path(), key).c_str(), mode) == 0);
    Store store(disk_options(dir.path()));
    CHECK(*store.get_or_make(key, fresh).artifact == fresh());
    CHECK(store.stats().quarantined == 1);
  }
  if (::geteuid() != 0) return; // only root can give files away
  Store(disk_options(dir.path())).publish(key, artifact_of("code"));
  REQUIRE(::chown(entry_path(dir.path(), key).c_str(), 12345, 12345) == 0);
  Store store(disk_options(dir.path()));
  CHECK(*store.get_or_make(key, fresh).artifact == fresh());
  CHECK(store.stats().quarantined == 1);
}

TEST_CASE("a new link to an entry's file does not let later writers change it", "[survival]") {
  const TempDir dir, elsewhere;
  const Key key = key_of("a");
  Store(disk_options(dir.path())).publish(key, artifact_of("code"));
  const fs::path kept = elsewhere.path() / "kept";
  fs::create_hard_link(entry_path(dir.path(), key), kept);
  const std::string before = read_file(kept);
  Store(disk_options(dir.path())).publish(key, fresh());
  CHECK(read_file(kept) == before); // entries are replaced, never written into
  CHECK(*Store(disk_options(dir.path())).find(key) == fresh());
}

TEST_CASE("no change to a signed entry is admitted, checksum or not", "[survival]") {
  const Key key = key_of("a"), other = key_of("b");
  const SigningKey signer = SigningKey::generate(), stranger = SigningKey::generate();
  const TrustedKeys trusted{{{"farm", signer.public_key()}}, {}};
  const HasFeature has_v3 = [](std::string_view word) { return word == "x86-64-v3"; };
  const Policy policy{&trusted, has_v3};
  const Artifact code{{{"object", "code"}, compressed("source", std::string(300, 's'))},
                      "x86-64-v3"};
  const std::string entry = write_entry(key.record, code, &signer);
  REQUIRE(admit(entry, key, policy).artifact);

  for (std::size_t n = 0; n < entry.size(); ++n) {
    CAPTURE(n);
    CHECK_FALSE(admit(entry.substr(0, n), key, policy).artifact);
    for (int bit = 0; bit < 8; ++bit) {
      std::string forged = entry;
      forged[n] = static_cast<char>(forged[n] ^ (1 << bit));
      CHECK_FALSE(admit(forged, key, policy).artifact);
      if (n < entry.size() - 32) CHECK_FALSE(admit(with_checksum(forged), key, policy).artifact);
    }
  }
  CHECK_FALSE(admit(entry, other, policy).artifact); // replayed under another key's name
  CHECK_FALSE(admit(write_entry(key.record, code, &stranger), key, policy).artifact);
  CHECK_FALSE(admit(write_entry(key.record, code), key, policy).artifact);
  Artifact foreign = code;
  foreign.requirements = "x86-64-v4";
  CHECK_FALSE(admit(write_entry(key.record, foreign, &signer), key, policy).artifact);
}

TEST_CASE("entries changed at random are read without harm, or not at all", "[survival]") {
  const Key key = key_of("a");
  const Artifact code{{{"object", std::string(200, 'o')},
                       compressed("source", std::string(400, 's')),
                       compressed("log", "")},
                      "x86-64-v3"};
  const SigningKey signer = SigningKey::generate();
  const std::string entry = write_entry(key.record, code, &signer);
  std::mt19937 random(11);
  int parsed = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string changed = entry;
    for (auto n = 1 + random() % 4; n > 0; --n) {
      const std::size_t at = random() % changed.size();
      if (random() % 4 == 0)
        changed.insert(at, 1 + random() % 9, static_cast<char>(random()));
      else if (random() % 4 == 0)
        changed.erase(at, random() % 9);
      else
        changed[at] = static_cast<char>(random());
    }
    if (changed.size() > 32) changed = with_checksum(std::move(changed));
    if (changed == entry) continue;
    const ParsedEntry result = parse_entry(changed);
    CHECK(result.entry.has_value() == (result.fault == EntryFault::none));
    if (!result.entry) continue;
    ++parsed;
    CHECK_FALSE(result.entry->has_valid_signature());
    for (const Section& section : result.entry->artifact.sections)
      if (const auto content = content_of(section); content && section.encoding != Encoding::plain)
        CHECK(content->size() == section.content_nbytes);
  }
  CHECK(parsed > 1000); // the checks behind the checksum were reached
}

TEST_CASE("versions of the format share a directory and leave each other alone", "[survival]") {
  const TempDir dir;
  const CapturedLog log;
  const Key key = key_of("a");
  const std::string hex = key.digest.hex();
  const auto path_in = [&](const char* version) {
    return dir.path() / version / hex.substr(0, 2) / (hex + ".kro");
  };
  for (const char* version : {"v1", "v3"}) {
    fs::create_directories(path_in(version).parent_path());
    write_file(path_in(version), std::string(3000, version[1]));
  }
  Store store(disk_options(dir.path()));
  CHECK(store.get_or_make(key, fresh).outcome == Outcome::made);
  CHECK(*store.find(key) == fresh());
  CHECK(store.stats().quarantined == 0);
  CHECK(read_file(path_in("v1")) == std::string(3000, '1'));
  CHECK(read_file(path_in("v3")) == std::string(3000, '3'));

  // The bound covers them together: the one that was used longest ago goes first.
  fs::last_write_time(path_in("v1"), fs::file_time_type::clock::now() - std::chrono::hours(48));
  const Fd fd(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY));
  CHECK(sweep(fd.get(), 5000).evicted == 1);
  CHECK_FALSE(fs::exists(path_in("v1")));
  CHECK(fs::exists(path_in("v3")));
  CHECK(store.find(key));
}
