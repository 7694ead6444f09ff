/// libFuzzer's target for entries: what `parse_entry` takes, it takes again once written.
#include <cstdlib>
#include <string>

#include "cache/entry.hpp"
#include "cache/key.hpp"
#include "test/support/checksum.hpp"

using namespace kroton::cache;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void read(std::string_view file) {
  const ParsedEntry parsed = parse_entry(file);
  require(parsed.entry.has_value() == (parsed.fault == EntryFault::none));
  if (!parsed.entry) return;
  static_cast<void>(parsed.entry->has_valid_signature());
  static_cast<void>(parse_record(parsed.entry->record));
  for (const Section& section : parsed.entry->artifact.sections) {
    // What a few bytes claim to decode to may be long; that is bounded, and slow under a fuzzer.
    if (section.content_nbytes > (std::uint64_t{1} << 20)) continue;
    static_cast<void>(content_of(section));
  }
  const ParsedEntry again = parse_entry(write_entry(parsed.entry->record, parsed.entry->artifact));
  require(again.entry && again.entry->artifact == parsed.entry->artifact &&
          again.entry->record == parsed.entry->record);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string file(reinterpret_cast<const char*>(data), size);
  read(file);
  // Once more with the right length and checksum, behind which no change would get by chance.
  if (file.size() < 20 + 32) return 0;
  for (std::size_t i = 0; i < 8; ++i)
    file[12 + i] = static_cast<char>((file.size() >> (8 * i)) & 0xff);
  read(kroton::test::with_checksum(std::move(file)));
  return 0;
}
