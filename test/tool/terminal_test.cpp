#include "tools/kroton/terminal.hpp"

#include <ctime>
#include <limits>

#include "test/support/catch.hpp"

using namespace kroton::tool;

TEST_CASE("sizes and times read as people say them", "[tool]") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(1024) == "1.0 KiB");
  CHECK(bytes_text((1 << 20) - 1) == "1.0 MiB");
  CHECK(bytes_text(std::uint64_t{3} << 29) == "1.5 GiB");
  const std::int64_t now = std::time(nullptr);
  CHECK(ago_text(now - 1) == "just now");
  CHECK(ago_text(now - 600) == "10 min ago");
  CHECK(ago_text(now - 7300) == "2 h ago");
  CHECK(ago_text(now - 20 * 86400) == "20 d ago");
  CHECK(ago_text(now + 7200) == "in the future");
  CHECK(time_text(0) == "1970-01-01T00:00:00Z");
  CHECK(time_text(std::numeric_limits<std::int64_t>::max()) == "9223372036854775807 s");
}

TEST_CASE("nothing that a terminal obeys comes through", "[tool]") {
  CHECK(printable("a\tb\nc") == "a\tb\nc");
  CHECK(printable("\x1b[2J\r\x7f") == "\\x1b[2J\\x0d\\x7f");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\xc2\\x9b31m");
  CHECK(printable("é € 𝄞") == "é € 𝄞");
  // Terminals that do not know UTF-8 obey these.
  CHECK(printable("\x9b"
                  "31m\x80\xe2\x82") == "\\x9b31m\\x80\\xe2\\x82");
}
