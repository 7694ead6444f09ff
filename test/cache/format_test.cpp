/// Entries as bytes: docs/cache-format.md holds, and nothing that is not an entry passes for one.
#include "cache/artifact.hpp"

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>

#include "cache/key.hpp"
#include "lib/support/digest.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

using namespace kroton::cache;
namespace fs = std::filesystem;

namespace {

Key example_key() {
  return KeyBuilder{"kernel/1"}.add("source", "z = x + y;\n").add("target", "x86-64-v3").build();
}

Artifact example_artifact() {
  return {{{"object", "\x7f"
                      "ELF"},
           {"log", ""}}};
}

std::string example_entry() { return write_entry(example_key().record, example_artifact()); }

/// `entry` with a checksum that fits its content again.
std::string with_checksum(std::string entry) {
  entry.resize(entry.size() - 32);
  const auto digest = kroton::support::digest_of(entry);
  entry.append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
  return entry;
}

/// The page in the source tree, found from this file's name or from the working directory.
std::optional<std::string> format_page() {
  const fs::path page = fs::path("docs") / "cache-format.md";
  std::error_code ignored;
  for (fs::path place : {fs::absolute(__FILE__), fs::current_path() / "here"})
    while (place.has_relative_path()) {
      place = place.parent_path();
      if (fs::exists(place / page, ignored)) return kroton::test::read_file(place / page);
    }
  return {};
}

/// The bytes of the block fenced as ```hexdump, in the layout of `hexdump -C`.
std::string bytes_of_hexdump(const std::string& page) {
  std::istringstream lines(page.substr(page.find("```hexdump\n") + 11));
  std::string bytes, line;
  while (std::getline(lines, line) && line != "```") {
    CHECK(std::strtoul(line.substr(0, 8).c_str(), nullptr, 16) == bytes.size());
    std::istringstream columns(line.substr(8, line.find('|') - 8));
    std::string shown, column;
    while (columns >> column) {
      const auto byte = static_cast<char>(std::strtoul(column.c_str(), nullptr, 16));
      bytes += byte;
      shown += byte >= ' ' && byte <= '~' ? byte : '.';
    }
    CHECK(line.substr(line.find('|')) == "|" + shown + "|");
  }
  return bytes;
}

} // namespace

TEST_CASE("the entry shown in docs/cache-format.md is the one that is written and read",
          "[cache]") {
  const auto page = format_page();
  REQUIRE(page);
  const std::string shown = bytes_of_hexdump(*page);
  CHECK(shown == example_entry());
  CHECK(page->find("`" + example_key().digest.hex() + "`") != page->npos);

  const ParsedEntry parsed = parse_entry(shown);
  REQUIRE(parsed.entry);
  CHECK(parsed.entry->record == example_key().record);
  CHECK(parsed.entry->artifact == example_artifact());
}

TEST_CASE("every truncation and every flipped bit of an entry is a fault", "[cache]") {
  const std::string entry = example_entry();
  for (std::size_t n = 0; n < entry.size(); ++n) {
    CAPTURE(n);
    CHECK(parse_entry(std::string_view(entry).substr(0, n)).fault == EntryFault::length);
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = entry;
      damaged[n] = static_cast<char>(damaged[n] ^ (1 << bit));
      const EntryFault fault = parse_entry(damaged).fault;
      // Never `version`: such entries are left in place, and this one is damaged.
      CHECK((fault == EntryFault::magic || fault == EntryFault::length ||
             fault == EntryFault::checksum));
    }
  }
  CHECK(parse_entry(entry + "x").fault == EntryFault::length);
}

TEST_CASE("a sound entry of another version is told from a damaged one", "[cache]") {
  std::string entry = example_entry();
  entry[8] = 2;
  CHECK(parse_entry(with_checksum(entry)).fault == EntryFault::version);
}

TEST_CASE("lengths that lead outside are a fault even under a right checksum", "[cache]") {
  const std::string entry = example_entry();
  // Every four bytes outside the fixed front part and checksum in turn become a huge length.
  for (std::size_t at = 20; at + 4 <= entry.size() - 32; ++at)
    for (const char fill : {'\xff', '\x7f', '\x00'}) {
      std::string wrong = entry;
      wrong.replace(at, 4, 4, fill);
      const ParsedEntry parsed = parse_entry(with_checksum(wrong));
      CHECK(parsed.entry.has_value() == (parsed.fault == EntryFault::none));
      if (at < 28 && fill != '\x00') CHECK(parsed.fault == EntryFault::layout);
    }
  std::string fewer = entry;
  fewer[24] = 1; // one section, and bytes left over
  CHECK(parse_entry(with_checksum(fewer)).fault == EntryFault::layout);
}

TEST_CASE("an artifact finds its sections by name", "[cache]") {
  const Artifact artifact = example_artifact();
  REQUIRE(artifact.find("log"));
  CHECK(artifact.find("log")->bytes.empty());
  CHECK(artifact.find("source") == nullptr);
  CHECK(artifact.nbytes() == 4);
  CHECK(parse_entry(write_entry("", {})).entry->artifact == Artifact{});
}
