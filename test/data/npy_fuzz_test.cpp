/// load_npy on files that nobody should have written: an array or a FileError, whatever the bytes.
#include <kroton/npy.hpp>

#include <random>

#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

using namespace kroton;
using test::TempDir;

namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t n) { return random() % n; }
template <class T> const T& one_of(Random& random, const std::vector<T>& all) {
  return all[below(random, all.size())];
}

/// A file with this header, whose length may be a lie.
std::string file_of(char major, const std::string& header, std::int64_t claimed,
                    const std::string& elements) {
  std::string out = "\x93NUMPY";
  out += {major, '\0'};
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) out += static_cast<char>(claimed >> 8 * i & 0xff);
  return out + header + elements;
}

std::string number(Random& random) {
  static const std::vector<std::string> odd{"0",
                                            "1",
                                            "2",
                                            "3",
                                            "-1",
                                            "00",
                                            "+1",
                                            "1L",
                                            "1.0",
                                            "",
                                            "a",
                                            "9223372036854775807",
                                            "9223372036854775808",
                                            "-9223372036854775808",
                                            "99999999999999999999999",
                                            "4294967296",
                                            "1152921504606846976",
                                            "1000000000"};
  return below(random, 2) ? std::to_string(below(random, 4)) : one_of(random, odd);
}

std::string shape(Random& random) {
  std::string text = "(";
  for (std::size_t n = below(random, below(random, 20) == 0 ? 3000 : 5); n > 0; --n)
    text +=
        number(random) + (below(random, 30) ? ", " : one_of<std::string>(random, {"", ",,", "("}));
  return text + (below(random, 30) ? ")" : one_of<std::string>(random, {"", "))", "]", "),("}));
}

std::string descr(Random& random) {
  static const std::vector<std::string> good{"'|b1'", "'|i1'", "'<i2'", "'<i4'",
                                             "'<i8'", "'|u1'", "'<u2'", "'<u4'",
                                             "'<u8'", "'<f4'", "'<f8'", "\"=f4\""};
  static const std::vector<std::string> bad{
      "'>f4'", "'|O'",   "'<c16'",    "'<U5'",   "[('a', '<f4')]", "''",    "'<'",        "'<f4",
      "<f4",   "'<f44'", "'\x1b[2J'", "'<f4\n'", "None",           "'>b1'", "((('<f4')))"};
  return one_of(random, below(random, 4) ? good : bad);
}

/// A header of the right form with parts of any kind.
std::string header(Random& random) {
  std::vector<std::string> parts{"'descr': " + descr(random),
                                 "'fortran_order': " +
                                     one_of<std::string>(random, {"True", "False", "true", "0"}),
                                 "'shape': " + shape(random)};
  if (below(random, 8) == 0) parts.push_back("'extra': 1");
  if (below(random, 8) == 0) parts.push_back(one_of(random, parts));
  if (below(random, 8) == 0)
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(below(random, parts.size())));
  std::shuffle(parts.begin(), parts.end(), random);
  std::string text = "{";
  for (const std::string& part : parts) text += part + ", ";
  return text + (below(random, 30) ? "}" : "") + std::string(below(random, 20), ' ') +
         (below(random, 10) ? "\n" : "x\n");
}

/// Bytes turned over, left out, doubled, and taken from elsewhere.
void spoil(Random& random, std::string& bytes) {
  for (std::size_t n = 1 + below(random, 4); n > 0 && !bytes.empty(); --n) {
    const std::size_t at = below(random, bytes.size()),
                      count = std::min(bytes.size() - at, 1 + below(random, 16));
    switch (below(random, 5)) {
    case 0:
      bytes[at] = static_cast<char>(random());
      break;
    case 1:
      bytes.erase(at, count);
      break;
    case 2:
      bytes.insert(at, bytes.substr(at, count));
      break;
    case 3:
      bytes.resize(at);
      break;
    default:
      bytes.replace(at, count, number(random));
    }
  }
}

std::string any_file(Random& random) {
  const std::string head = header(random);
  const auto claimed = below(random, 10) ? static_cast<std::int64_t>(head.size())
                                         : static_cast<std::int64_t>(random());
  std::string bytes = file_of(static_cast<char>(below(random, 5)), head, claimed,
                              std::string(below(random, 200), static_cast<char>(random())));
  if (below(random, 2)) spoil(random, bytes);
  return bytes;
}

/// How many of `count` files were arrays.
int loaded_of(int count, std::uint64_t seed) {
  Random random(seed);
  const TempDir dir;
  const auto file = dir.path() / "a.npy";
  int loaded = 0;
  for (int i = 0; i < count; ++i) {
    const std::string bytes = any_file(random);
    test::write_file(file, bytes);
    CAPTURE(i, seed);
    try {
      const Array a = load_npy(file);
      ++loaded;
      // What was read can be printed, copied and written.
      if (a.nbytes() > bytes.size() || a.to_string().empty() || !equal(a, a.copy()))
        FAIL(a.label());
      if (i % 16 == 0) save_npy(dir.path() / "again.npy", a);
    } catch (const FileError& error) {
      const std::string text = error.what();
      if (!text.starts_with("load_npy: " + file.string() + ": ") || text.size() > 2000) FAIL(text);
      for (const char c : text)
        if ((c >= 0 && c < ' ' && c != '\n') || c == 0x7f) FAIL(text);
    } catch (const std::exception& error) {
      FAIL("no FileError: " << error.what());
    }
  }
  return loaded;
}

} // namespace

TEST_CASE("load_npy gives an array or a FileError for any bytes", "[data][error]") {
  CHECK(loaded_of(4000, 1) > 100);
}

TEST_CASE("load_npy gives an array or a FileError for many more", "[.slow]") {
  for (std::uint64_t seed = 2; seed < 7; ++seed) CHECK(loaded_of(20'000, seed) > 500);
}
