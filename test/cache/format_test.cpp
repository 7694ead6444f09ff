/// Entries as bytes: docs/cache-format.md holds, and nothing that is not an entry passes for one.
#include "cache/entry.hpp"

#include <array>

#include "cache/key.hpp"
#include "lib/support/digest.hpp"
#include "test/cache/format_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/checksum.hpp"

using namespace kroton::cache;
using kroton::test::bytes_of_hexdump, kroton::test::documentation, kroton::test::with_checksum;

namespace {

Key example_key() {
  return KeyBuilder{"kernel/1"}.add("source", "z = x + y;\n").add("target", "x86-64-v3").build();
}

/// "z = x + y;" and a line feed as zlib 1.2 compresses it, written out since other releases may
/// choose other bytes.
constexpr std::array<unsigned char, 19> compressed_text{0x78, 0x9c, 0xab, 0x52, 0xb0, 0x55, 0xa8,
                                                        0x50, 0xd0, 0x56, 0xa8, 0xb4, 0xe6, 0x02,
                                                        0x00, 0x10, 0xf8, 0x02, 0x99};

Artifact example_artifact() {
  return {
      {{"object", "\x7f"
                  "ELF"},
       {"source", std::string(compressed_text.begin(), compressed_text.end()), Encoding::zlib, 11}},
      "x86-64-v3"};
}

/// The seed is the bytes 0 to 31.
SigningKey example_signer() {
  return *SigningKey::parse("kroton-ed25519-secret "
                            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
}

std::string example_entry() {
  const SigningKey key = example_signer();
  return write_entry(example_key().record, example_artifact(), &key);
}

/// Signer, signature and checksum.
constexpr std::size_t trailer_bytes = 32 + 64 + 32;

} // namespace

TEST_CASE("the entry shown in docs/cache-format.md is the one that is written and read",
          "[cache]") {
  const auto page = documentation("cache-format.md");
  REQUIRE(page);
  const std::string shown = bytes_of_hexdump(*page);
  CHECK(shown == example_entry());
  CHECK(page->find("`" + example_key().digest.hex() + "`") != page->npos);

  const ParsedEntry parsed = parse_entry(shown);
  REQUIRE(parsed.entry);
  CHECK(parsed.entry->record == example_key().record);
  CHECK(parsed.entry->artifact == example_artifact());
  CHECK(content_of(parsed.entry->artifact.sections[1]) == "z = x + y;\n");
  CHECK(parsed.entry->signer == example_signer().public_key());
  CHECK(parsed.entry->has_valid_signature());
  CHECK(page->find("`" + example_signer().public_key().hex() + "`") != page->npos);
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
  entry[8] = 3;
  CHECK(parse_entry(with_checksum(entry)).fault == EntryFault::version);
}

TEST_CASE("lengths that lead outside are a fault even under a right checksum", "[cache]") {
  const std::string entry = example_entry();
  // Every four bytes outside the fixed front part and checksum in turn become a huge length.
  for (std::size_t at = 20; at + 4 <= entry.size() - trailer_bytes; ++at)
    for (const char fill : {'\xff', '\x7f', '\x00'}) {
      std::string wrong = entry;
      wrong.replace(at, 4, 4, fill);
      const ParsedEntry parsed = parse_entry(with_checksum(wrong));
      CHECK(parsed.entry.has_value() == (parsed.fault == EntryFault::none));
      if (at < 32 && fill != '\x00') CHECK(parsed.fault == EntryFault::layout);
    }
  std::string fewer = entry;
  fewer[28] = 1; // one section, and bytes left over
  CHECK(parse_entry(with_checksum(fewer)).fault == EntryFault::layout);
}

TEST_CASE("an artifact finds its sections by name", "[cache]") {
  const Artifact artifact = example_artifact();
  REQUIRE(artifact.find("object"));
  CHECK(artifact.find("object")->bytes.size() == 4);
  CHECK(artifact.find("log") == nullptr);
  CHECK(artifact.nbytes() == 4 + compressed_text.size());
  CHECK(parse_entry(write_entry("", {})).entry->artifact == Artifact{});
}

TEST_CASE("an entry without a key bears no signer", "[cache]") {
  const ParsedEntry parsed = parse_entry(write_entry("a\n", example_artifact()));
  REQUIRE(parsed.entry);
  CHECK_FALSE(parsed.entry->signer);
  CHECK_FALSE(parsed.entry->has_valid_signature());
}

TEST_CASE("a signature holds for its content and its signer alone", "[cache]") {
  const std::string entry = example_entry();
  // Each byte of content, signer and signature in turn, under a checksum that fits again.
  for (std::size_t at = 0; at < entry.size() - 32; ++at) {
    std::string forged = entry;
    forged[at] = static_cast<char>(forged[at] ^ 1);
    const ParsedEntry parsed = parse_entry(with_checksum(forged));
    CAPTURE(at);
    CHECK_FALSE((parsed.entry && parsed.entry->has_valid_signature()));
  }
}

TEST_CASE("a section compresses, and says so only where that is shorter", "[cache]") {
  const std::string text(10'000, 'x');
  const Section section = compressed("source", text);
  CHECK(section.encoding == Encoding::zlib);
  CHECK(section.bytes.size() < 100);
  CHECK(content_of(section) == text);
  CHECK(compressed("log", "") == Section{"log", ""});
  CHECK(compressed("log", "short") == Section{"log", "short"});
  CHECK(content_of(Section{"log", "short"}) == "short");
}

TEST_CASE("compressed bytes that do not fit what is told of them have no content", "[cache]") {
  const Section section = compressed("source", std::string(10'000, 'x'));
  Section wrong = section;
  for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{9'999}, std::uint64_t{10'001},
                                     max_entry_bytes, ~std::uint64_t{0}}) {
    CAPTURE(length);
    wrong.content_nbytes = length;
    CHECK_FALSE(content_of(wrong));
  }
  for (std::size_t n = 0; n < section.bytes.size(); ++n) {
    wrong = section;
    wrong.bytes.resize(n);
    CHECK_FALSE(content_of(wrong));
  }
  wrong = section;
  wrong.bytes += 'x';
  CHECK_FALSE(content_of(wrong));
}
