/// Bundles as bytes: docs/bundle-format.md holds, and nothing that is not a bundle passes for one.
#include "cache/bundle.hpp"

#include <cerrno>
#include <cstring>

#include "test/cache/format_support.hpp"
#include "test/support/catch.hpp"

using namespace kroton::cache;

namespace {

std::string bundle_of(const std::vector<std::string>& entries) {
  std::string out;
  BundleWriter writer([&](std::string_view bytes) {
    out += bytes;
    return 0;
  });
  for (const std::string& entry : entries) CHECK(writer.add(entry) == 0);
  CHECK(writer.finish() == 0);
  return out;
}

struct Contents {
  std::vector<std::string> entries;
  BundleFault fault = BundleFault::none;
};

/// Reads at most `step` bytes at a time.
Contents contents_of(std::string_view bundle, std::size_t step = 1 << 20) {
  BundleReader reader([&](char* to, std::size_t most) {
    const std::size_t n = std::min({most, step, bundle.size()});
    if (n > 0) std::memcpy(to, bundle.data(), n);
    bundle.remove_prefix(n);
    return static_cast<ssize_t>(n);
  });
  Contents contents;
  while (auto entry = reader.next()) contents.entries.push_back(std::move(*entry));
  CHECK_FALSE(reader.next());
  contents.fault = reader.fault();
  return contents;
}

const std::vector<std::string> three = {"first", std::string(3000, 'x'), std::string("\0\1", 2)};

} // namespace

TEST_CASE("the bundle shown in docs/bundle-format.md is the one that is written and read",
          "[cache]") {
  const auto page = kroton::test::documentation("bundle-format.md");
  REQUIRE(page);
  CHECK(kroton::test::bytes_of_hexdump(*page) == bundle_of({}));
  CHECK(contents_of(bundle_of({})).fault == BundleFault::none);
}

TEST_CASE("entries come out of a bundle as they went in, however it is read", "[cache]") {
  for (const std::size_t step : {1, 7, 1 << 20}) {
    const Contents contents = contents_of(bundle_of(three), step);
    CHECK(contents.fault == BundleFault::none);
    CHECK(contents.entries == three);
  }
}

TEST_CASE("every truncation and every changed byte of a bundle is a fault", "[cache]") {
  const std::string bundle = bundle_of(three);
  for (std::size_t n = 0; n < bundle.size(); ++n) {
    CAPTURE(n);
    CHECK(contents_of(std::string_view(bundle).substr(0, n)).fault ==
          (n < 12 ? BundleFault::magic : BundleFault::length));
    std::string damaged = bundle;
    damaged[n] = static_cast<char>(damaged[n] ^ 0x10);
    CHECK(contents_of(damaged).fault != BundleFault::none);
  }
  CHECK(contents_of(bundle + "x").fault == BundleFault::length);
  std::string later = bundle;
  later[8] = 2;
  CHECK(contents_of(later).fault == BundleFault::version);
}

TEST_CASE("a length that is a lie takes no memory", "[cache]") {
  std::string bundle = bundle_of(three);
  bundle[12 + 3] = 0x0f; // 251 MiB, of which there are 3 KiB
  CHECK(contents_of(bundle).fault == BundleFault::length);
  bundle[12 + 7] = 0x0f; // longer than any entry
  CHECK(contents_of(bundle).fault == BundleFault::length);
}

TEST_CASE("what cannot be read or written says why", "[cache]") {
  BundleReader reader([](char*, std::size_t) {
    errno = EIO;
    return ssize_t{-1};
  });
  CHECK_FALSE(reader.next());
  CHECK(reader.fault() == BundleFault::reading);
  CHECK(reader.error() == EIO);
  int calls = 0;
  BundleWriter writer([&](std::string_view) { return ++calls == 2 ? ENOSPC : 0; });
  CHECK(writer.add("entry") == ENOSPC);
  CHECK(writer.finish() == ENOSPC);
  CHECK(calls == 2); // nothing is written behind a gap
}
