#include "cache/key.hpp"

#include <kroton/error.hpp>

#include "test/support/catch.hpp"

using namespace kroton::cache;
using Names = std::vector<std::string>;

TEST_CASE("a digest is BLAKE2b-256 and does not depend on how the bytes were cut", "[cache]") {
  using kroton::support::digest_of, kroton::support::Hasher;
  // RFC 7693's algorithm with 32 bytes of output, from Python's hashlib.blake2b.
  CHECK(digest_of("abc").hex() ==
        "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
  CHECK(digest_of("").hex() == "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  Hasher hasher;
  hasher.add("a");
  CHECK(hasher.digest() == digest_of("a"));
  hasher.add("bc");
  CHECK(hasher.digest() == digest_of("abc"));
}

TEST_CASE("a record reads as text and parses back into its fields", "[cache]") {
  const std::string awkward("two\nlines 7\n\0", 13);
  const Key key = KeyBuilder{"kernel/1"}.add("source", awkward).add("flags", "").build();
  CHECK(key.record == "kernel/1\nsource 13\n" + awkward + "\nflags 0\n\n");
  CHECK(key.digest == kroton::support::digest_of(key.record));

  const auto record = parse_record(key.record);
  REQUIRE(record);
  CHECK(record->tag == "kernel/1");
  REQUIRE(record->fields.size() == 2);
  CHECK(record->find("source") == awkward);
  CHECK(record->find("flags") == "");
  CHECK_FALSE(record->find("target"));
}

TEST_CASE("moving bytes from one field to the next changes the key", "[cache]") {
  const Key a = KeyBuilder{"k/1"}.add("x", "ab").add("y", "c").build();
  const Key b = KeyBuilder{"k/1"}.add("x", "a").add("y", "bc").build();
  CHECK(a.digest != b.digest);
}

TEST_CASE("a record that a KeyBuilder does not write is refused", "[cache]") {
  for (const char* text :
       {"", "kernel/1", "\n", "ker nel\n", "k/1\nx\n", "k/1\nx 1\n", "k/1\nx 1\na", "k/1\nx 2\na\n",
        "k/1\nx 01\na\n", "k/1\nx -1\na\n", "k/1\nx +1\na\n", "k/1\nx 1 \na\n", "k/1\n 1\na\n",
        "k/1\nx 99999999999999999999\na\n", "k/1\nx 18446744073709551615\na\n",
        "k/1\nx 1\na\nx 1\nb\n", "k/1\nx 1\na\n\n"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_record(text));
  }
}

TEST_CASE("the difference between two records is the list of fields that differ", "[cache]") {
  const auto record = [](const char* source, const char* target) {
    return KeyBuilder{"kernel/1"}.add("source", source).add("target", target).build().record;
  };
  CHECK(explain_difference(record("a", "b"), record("a", "b")).empty());
  CHECK(explain_difference(record("a", "b"), record("a", "c")) == Names{"target"});
  CHECK(explain_difference(record("a", "b"), record("x", "y")) == Names{"source", "target"});
  CHECK(explain_difference(
            record("a", "b"),
            KeyBuilder{"kernel/2"}.add("source", "a").add("flags", "-O3").build().record) ==
        Names{"tag", "target", "flags"});
  CHECK(explain_difference(record("a", "b"), "noise") == Names{"record"});
}

TEST_CASE("a key refuses a field that it has already, and names that would not parse", "[cache]") {
  KeyBuilder builder{"kernel/1"};
  builder.add("source", "a");
  CHECK_THROWS_AS(builder.add("source", "b"), kroton::InternalError);
  CHECK_THROWS_AS(builder.add("two words", "b"), kroton::InternalError);
  CHECK_THROWS_AS(KeyBuilder{""}, kroton::InternalError);
}
