#include "cache/artifact.hpp"

#include "lib/support/digest.hpp"
#include "lib/support/error.hpp"

namespace kroton::cache {
namespace {

constexpr std::string_view magic = "KROTON\x1a\n";
constexpr std::size_t checksum_bytes = sizeof(support::Digest::bytes);
constexpr std::size_t header_bytes = magic.size() + 4 + 8 + 4 + 4;
constexpr std::size_t section_header_bytes = 4 + 8;

/// Appends `bytes` bytes of `value`, lowest first.
void append_integer(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8 * i)) & 0xff);
}

/// Walks over a file from front to back. A read beyond the end gives zero or nothing and is
/// remembered, so that a caller may check once after several reads.
class Reader {
public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  std::string_view take(std::uint64_t length) {
    if (length > rest_.size()) {
      is_beyond_ = true;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }

  std::uint64_t take_integer(int bytes) {
    std::uint64_t value = 0;
    int shift = 0;
    for (const char c : take(static_cast<std::uint64_t>(bytes))) {
      value |= std::uint64_t{static_cast<unsigned char>(c)} << shift;
      shift += 8;
    }
    return value;
  }

  std::size_t left() const { return rest_.size(); }
  bool is_beyond() const { return is_beyond_; }

private:
  std::string_view rest_;
  bool is_beyond_ = false;
};

std::string_view bytes_of(const support::Digest& digest) {
  return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
}

} // namespace

const Section* Artifact::find(std::string_view name) const {
  for (const Section& section : sections)
    if (section.name == name) return &section;
  return nullptr;
}

std::uint64_t Artifact::nbytes() const {
  std::uint64_t sum = 0;
  for (const Section& section : sections) sum += section.bytes.size();
  return sum;
}

std::string write_entry(std::string_view record, const Artifact& artifact) {
  std::uint64_t length = header_bytes + record.size() + checksum_bytes;
  for (const Section& section : artifact.sections)
    length += section_header_bytes + section.name.size() + section.bytes.size();
  KROTON_CHECK(record.size() <= UINT32_MAX, "a key record of {} bytes", record.size());

  std::string out;
  out.reserve(length);
  out += magic;
  append_integer(out, entry_version, 4);
  append_integer(out, length, 8);
  append_integer(out, record.size(), 4);
  append_integer(out, artifact.sections.size(), 4);
  out += record;
  for (const Section& section : artifact.sections) {
    append_integer(out, section.name.size(), 4);
    append_integer(out, section.bytes.size(), 8);
    out += section.name;
    out += section.bytes;
  }
  out += bytes_of(support::digest_of(out));
  return out;
}

std::string_view to_string(EntryFault fault) noexcept {
  switch (fault) {
  case EntryFault::none:
    return "no fault";
  case EntryFault::length:
    return "length differs from what the header says";
  case EntryFault::magic:
    return "not a Kroton cache entry";
  case EntryFault::checksum:
    return "checksum differs";
  case EntryFault::version:
    return "another version of the format";
  case EntryFault::layout:
    return "a length inside leads outside";
  }
  return "unknown fault";
}

ParsedEntry parse_entry(std::string_view file) {
  const auto fault = [](EntryFault f) { return ParsedEntry{{}, f}; };
  if (file.size() < header_bytes + checksum_bytes || file.size() > max_entry_bytes)
    return fault(EntryFault::length);

  Reader reader(file);
  if (reader.take(magic.size()) != magic) return fault(EntryFault::magic);
  const auto version = reader.take_integer(4);
  if (reader.take_integer(8) != file.size()) return fault(EntryFault::length);

  // Before anything else is believed, the version included: a flipped bit must not pass for an
  // entry of another version, which would be left in place.
  const auto content = file.substr(0, file.size() - checksum_bytes);
  if (file.substr(content.size()) != bytes_of(support::digest_of(content)))
    return fault(EntryFault::checksum);
  if (version != entry_version) return fault(EntryFault::version);

  reader = Reader(content.substr(magic.size() + 4 + 8));
  const auto record_length = reader.take_integer(4);
  const auto section_count = reader.take_integer(4);
  Entry entry;
  entry.record = reader.take(record_length);
  if (reader.is_beyond() || section_count > reader.left() / section_header_bytes)
    return fault(EntryFault::layout);
  entry.artifact.sections.reserve(section_count);
  for (std::uint64_t i = 0; i < section_count; ++i) {
    const auto name_length = reader.take_integer(4);
    const auto length = reader.take_integer(8);
    const auto name = reader.take(name_length);
    const auto bytes = reader.take(length);
    if (reader.is_beyond()) return fault(EntryFault::layout);
    entry.artifact.sections.push_back({std::string(name), std::string(bytes)});
  }
  if (reader.left() != 0) return fault(EntryFault::layout);
  return {std::move(entry), EntryFault::none};
}

} // namespace kroton::cache
