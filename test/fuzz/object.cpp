/// libFuzzer's target for objects as `kroton inspect` shows them.
#include <cstdint>

#include "tools/kroton/disassemble.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kroton::tool;
  const ParsedElf parsed = parse_elf({reinterpret_cast<const char*>(data), size});
  if (parsed.object) static_cast<void>(disassemble(*parsed.object));
  return 0;
}
