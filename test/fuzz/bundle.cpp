/// libFuzzer's target for bundles: what is read whole is what would be written.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "cache/bundle.hpp"
#include "test/support/checksum.hpp"

using namespace kroton::cache;

namespace {

void read(std::string_view file) {
  std::string_view rest = file;
  BundleReader reader([&](char* to, std::size_t most) {
    const std::size_t n = std::min(most, rest.size());
    if (n > 0) std::memcpy(to, rest.data(), n);
    rest.remove_prefix(n);
    return static_cast<ssize_t>(n);
  });
  std::string written;
  BundleWriter writer([&](std::string_view bytes) {
    written += bytes;
    return 0;
  });
  while (const auto entry = reader.next()) writer.add(*entry);
  writer.finish();
  if (reader.fault() == BundleFault::none && written != file) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string file(reinterpret_cast<const char*>(data), size);
  read(file);
  if (file.size() < 32) return 0;
  read(kroton::test::with_checksum(std::move(file)));
  return 0;
}
