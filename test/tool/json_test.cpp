#include "lib/support/json.hpp"

#include <limits>

#include "test/support/catch.hpp"

using kroton::support::JsonWriter;

namespace {

std::string json_of(std::string_view text) {
  std::string out = JsonWriter{}.value(text).text();
  out.pop_back(); // the line feed
  return out;
}

} // namespace

TEST_CASE("JSON is indented and has its commas", "[tool]") {
  JsonWriter json;
  json.begin_object().member("name", "k").member("n", 12).key("parts").begin_array();
  json.value(true).value(nullptr).begin_object().end_object().end_array();
  json.key("none").begin_array().end_array().end_object();
  CHECK(json.text() == "{\n  \"name\": \"k\",\n  \"n\": 12,\n  \"parts\": [\n    true,\n    null,\n"
                       "    {}\n  ],\n  \"none\": []\n}\n");
}

TEST_CASE("JSON numbers read back as they were; there is none for NaN", "[tool]") {
  CHECK(JsonWriter{}.value(std::numeric_limits<std::uint64_t>::max()).text() ==
        "18446744073709551615\n");
  CHECK(JsonWriter{}.value(std::numeric_limits<std::int64_t>::min()).text() ==
        "-9223372036854775808\n");
  CHECK(std::stod(JsonWriter{}.value(0.1 + 0.2).text()) == 0.1 + 0.2);
  CHECK(JsonWriter{}.value(std::numeric_limits<double>::quiet_NaN()).text() == "null\n");
  CHECK(JsonWriter{}.value(-std::numeric_limits<double>::infinity()).text() == "null\n");
}

TEST_CASE("JSON strings escape what must be, and replace what is no UTF-8", "[tool]") {
  CHECK(json_of("a\"b\\c\n\t\x1b") == R"("a\"b\\c\n\u0009\u001b")");
  CHECK(json_of(std::string_view("\0", 1)) == R"("\u0000")");
  for (const char* text : {"é", "€", "𝄞", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80"})
    CHECK(json_of(text) == "\"" + std::string(text) + "\"");
  const std::string unknown = "\xef\xbf\xbd";
  CHECK(json_of("a\xff"
                "b") == "\"a" + unknown + "b\"");
  CHECK(json_of("\xc3") == "\"" + unknown + "\"");                             // cut short
  CHECK(json_of("\xc0\xaf") == "\"" + unknown + unknown + "\"");               // overlong
  CHECK(json_of("\xed\xa0\x80") == "\"" + unknown + unknown + unknown + "\""); // a surrogate
  CHECK(json_of("\xf4\x90\x80\x80").size() == 2 + 4 * 3);                      // beyond U+10FFFF
}
