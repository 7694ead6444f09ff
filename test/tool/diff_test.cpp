#include "tools/kroton/diff.hpp"

#include <random>
#include <string>

#include "test/support/catch.hpp"

using namespace kroton::tool;

namespace {

/// "-b +c": the changed lines; what is not changed must be the same on both sides.
std::string changes(std::string_view a, std::string_view b, int max_edits = 400) {
  std::string text;
  for (const DiffLine& line : diff_lines(a, b, max_edits))
    if (line.kind != ' ') text += (text.empty() ? "" : " ") + (line.kind + std::string(line.text));
  return text;
}

/// One side of the difference as a text again.
std::string side(const std::vector<DiffLine>& lines, char kind) {
  std::string text;
  for (const DiffLine& line : lines)
    if (line.kind == ' ' || line.kind == kind) text += std::string(line.text) + "\n";
  return text;
}

} // namespace

TEST_CASE("a difference is the lines that go and the lines that come", "[tool]") {
  CHECK(changes("", "").empty());
  CHECK(changes("a\nb\n", "a\nb\n").empty());
  CHECK(changes("a\nb\nc\n", "a\nx\nc\n") == "-b +x");
  CHECK(changes("a\nc\n", "a\nb\nc\n") == "+b");
  CHECK(changes("a\nb\nc\n", "b\n") == "-a -c");
  CHECK(changes("", "a\n") == "+a");
  CHECK(changes("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n") == "-a -b +b -b +c");
}

TEST_CASE("both texts can be put together from their difference", "[tool]") {
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    const auto text = [&] {
      std::string t;
      for (auto n = random() % 30; n > 0; --n) t += std::string(1, "abcd"[random() % 4]) + "\n";
      return t;
    };
    const std::string a = text(), b = text();
    for (const int max_edits : {0, 5, 400}) {
      const auto lines = diff_lines(a, b, max_edits);
      CHECK(side(lines, '-') == a);
      CHECK(side(lines, '+') == b);
    }
  }
}

TEST_CASE("texts with nothing in common take no time and no memory", "[tool]") {
  std::string a, b;
  for (int i = 0; i < 20'000; ++i) {
    a += std::to_string(i) + "\n";
    b += "x" + std::to_string(i) + "\n";
  }
  CHECK(diff_lines(a, b).size() == 40'000);
}
