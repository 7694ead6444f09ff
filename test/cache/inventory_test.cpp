#include "cache/inventory.hpp"

#include <fcntl.h>

#include "cache/entry.hpp"
#include "cache/store.hpp"
#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"

using namespace kroton::cache;
using namespace kroton::test;
namespace fs = std::filesystem;

TEST_CASE("an inventory counts what lies in a cache directory, each thing for what it is",
          "[cache]") {
  const TempDir dir;
  Store store(disk_options(dir.path()));
  for (const char* name : {"a", "b", "c"}) store.publish(key_of(name), artifact_of("code"));
  const fs::path shard = entry_path(dir.path(), key_of("a")).parent_path();
  fs::create_directories(dir.path() / "v1" / "ab");
  write_file(dir.path() / "v1" / "ab" / (std::string(64, 'a') + ".kro"), "of an older format");
  fs::create_directory(dir.path() / "quarantine");
  write_file(dir.path() / "quarantine" / "x.kro", "damaged");
  write_file(shard / (key_of("z").digest.hex() + ".claim"), "");
  write_file(shard / ".tmp-host-1-2", "12345");
  write_file(shard / "notes.kro", "not a digest");
  write_file(dir.path() / "vault", "not a folder of entries");

  const Fd fd(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY));
  const Inventory all = take_inventory(fd.get());
  REQUIRE(all.entries.size() == 4);
  CHECK(all.entries[0].version == 1);
  CHECK(all.entries[1].version == entry_version);
  CHECK(all.entries[1].digest < all.entries[2].digest);
  CHECK(all.entries[3].nbytes() == fs::file_size(dir.path() / all.entries[3].path));
  CHECK(all.quarantined.files == 1);
  CHECK(all.claims.files == 1);
  CHECK(all.temporaries.nbytes == 5);
  CHECK(all.unknown.files == 1);
  CHECK(take_inventory(-1).entries.empty());
}

TEST_CASE("entries are found by the first digits of their digest", "[cache]") {
  const TempDir dir;
  Store store(disk_options(dir.path()));
  for (const char* name : {"a", "b", "c", "d"}) store.publish(key_of(name), artifact_of("code"));
  const Fd fd(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY));
  const std::string digest = key_of("b").digest.hex();
  for (const std::size_t n : {64, 12, 6}) {
    const auto found = find_entries(fd.get(), entry_version, digest.substr(0, n));
    REQUIRE(found.size() == 1);
    CHECK(found[0].digest == digest);
  }
  CHECK(find_entries(fd.get(), entry_version, "").size() == 4);
  const auto with_digit = find_entries(fd.get(), entry_version, digest.substr(0, 1));
  CHECK(std::any_of(with_digit.begin(), with_digit.end(),
                    [&](const StoredFile& file) { return file.digest == digest; }));
  CHECK(find_entries(fd.get(), entry_version, digest + "0").empty());
  CHECK(find_entries(fd.get(), entry_version, "../..").empty());
  CHECK(find_entries(fd.get(), 1, digest).empty());
}
