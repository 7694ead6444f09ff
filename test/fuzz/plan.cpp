/// libFuzzer's target for plans: what `read_plan` takes is what `write_plan` writes.
#include <cstdlib>
#include <span>
#include <string>

#include "jit/bound/plan_file.hpp"

using namespace kroton;

namespace {

void read(std::string_view bytes, const support::Digest& key) {
  if (const auto plan = jit::read_plan(bytes, key))
    if (jit::write_plan(*plan, key) != bytes) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const support::Digest key{};
  std::string bytes(reinterpret_cast<const char*>(data), size);
  read(bytes, key);
  // Once more under the right seal, behind which no change would get by chance.
  if (bytes.size() < 32) return 0;
  bytes.resize(bytes.size() - 32);
  support::Hasher hasher;
  hasher.add(std::as_bytes(std::span(key.bytes)));
  hasher.add(bytes);
  const support::Digest seal = hasher.digest();
  bytes.append(reinterpret_cast<const char*>(seal.bytes.data()), seal.bytes.size());
  read(bytes, key);
  return 0;
}
