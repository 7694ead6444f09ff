#include "cache/entry.hpp"

#include <algorithm>

#include "cache/bytes.hpp"
#include "lib/support/error.hpp"

namespace kroton::cache {
namespace {

constexpr std::string_view magic = "KROTON\x1a\n";
constexpr std::size_t length_offset = magic.size() + 4;
constexpr std::size_t content_offset = length_offset + 8;
constexpr std::size_t header_bytes = content_offset + 4 + 4 + 4;
constexpr std::size_t section_header_bytes = 4 + 4 + 8 + 8;
constexpr std::size_t signer_bytes = sizeof(PublicKey::bytes);
constexpr std::size_t checksum_bytes = sizeof(support::Digest::bytes);
constexpr std::size_t trailer_bytes = signer_bytes + sizeof(Signature) + checksum_bytes;
static_assert(trailer_bytes == entry_trailer_bytes);

template <std::size_t n> std::string_view bytes_of(const std::array<std::uint8_t, n>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), n};
}

template <std::size_t n> std::array<std::uint8_t, n> array_of(std::string_view bytes) {
  std::array<std::uint8_t, n> array{};
  std::copy_n(bytes.begin(), std::min(n, bytes.size()), array.begin());
  return array;
}

/// What a signature is made of: no signature of an entry passes for one of anything else.
std::string signed_message(const support::Digest& content) {
  return "kroton entry 2\n" + std::string(bytes_of(content.bytes));
}

/// Everything before the trailer.
std::string write_content(std::string_view record, const Artifact& artifact) {
  std::uint64_t length =
      header_bytes + record.size() + artifact.requirements.size() + trailer_bytes;
  for (const Section& section : artifact.sections)
    length += section_header_bytes + section.name.size() + section.bytes.size();
  KROTON_CHECK(record.size() <= UINT32_MAX, "a key record of {} bytes", record.size());

  std::string out;
  out.reserve(length);
  out += magic;
  append_integer(out, entry_version, 4);
  append_integer(out, length, 8);
  append_integer(out, record.size(), 4);
  append_integer(out, artifact.requirements.size(), 4);
  append_integer(out, artifact.sections.size(), 4);
  out += record;
  out += artifact.requirements;
  for (const Section& section : artifact.sections) {
    const bool is_plain = section.encoding == Encoding::plain;
    append_integer(out, section.name.size(), 4);
    append_integer(out, static_cast<std::uint64_t>(section.encoding), 4);
    append_integer(out, section.bytes.size(), 8);
    append_integer(out, is_plain ? section.bytes.size() : section.content_nbytes, 8);
    out += section.name;
    out += section.bytes;
  }
  return out;
}

/// The next section, or nothing when a length leads outside or the encoding is none.
std::optional<Section> take_section(ByteReader& reader) {
  const auto name_length = reader.take_integer(4);
  const auto encoding = reader.take_integer(4);
  const auto length = reader.take_integer(8);
  const auto content_length = reader.take_integer(8);
  const auto name = reader.take(name_length);
  const auto bytes = reader.take(length);
  if (reader.is_beyond() || encoding > static_cast<std::uint64_t>(Encoding::zlib)) return {};
  const auto kind = static_cast<Encoding>(encoding);
  const bool is_plain = kind == Encoding::plain;
  if (is_plain ? content_length != length : content_length > max_entry_bytes) return {};
  return Section{std::string(name), std::string(bytes), kind, is_plain ? 0 : content_length};
}

/// The entry in `content`, which starts behind the file's length and ends before the trailer.
std::optional<Entry> parse_content(std::string_view content) {
  ByteReader reader(content);
  const auto record_length = reader.take_integer(4);
  const auto requirements_length = reader.take_integer(4);
  const auto section_count = reader.take_integer(4);
  Entry entry;
  entry.record = reader.take(record_length);
  entry.artifact.requirements = reader.take(requirements_length);
  if (reader.is_beyond() || section_count > reader.left() / section_header_bytes) return {};
  entry.artifact.sections.reserve(section_count);
  for (std::uint64_t i = 0; i < section_count; ++i) {
    auto section = take_section(reader);
    if (!section) return {};
    entry.artifact.sections.push_back(std::move(*section));
  }
  if (reader.left() != 0) return {};
  return entry;
}

} // namespace

std::string write_entry(std::string_view record, const Artifact& artifact, const SigningKey* key) {
  std::string out = write_content(record, artifact);
  support::Hasher hasher;
  const auto append = [&](std::string_view bytes) {
    hasher.add(bytes);
    out += bytes;
  };
  hasher.add(out);
  append(bytes_of(key ? key->public_key().bytes : PublicKey{}.bytes));
  append(bytes_of(key ? key->sign(signed_message(hasher.digest())) : Signature{}));
  out += bytes_of(hasher.digest().bytes);
  return out;
}

bool Entry::has_valid_signature() const {
  return signer && is_signed_by(*signer, signed_message(content), signature);
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

std::optional<PublicKey> named_signer(std::string_view trailer) {
  const PublicKey signer{array_of<signer_bytes>(trailer)};
  if (trailer.size() != trailer_bytes || signer == PublicKey{}) return {};
  return signer;
}

ParsedEntry parse_entry(std::string_view file) {
  const auto fault = [](EntryFault f) { return ParsedEntry{{}, f}; };
  if (file.size() < content_offset + checksum_bytes || file.size() > max_entry_bytes)
    return fault(EntryFault::length);

  ByteReader reader(file);
  if (reader.take(magic.size()) != magic) return fault(EntryFault::magic);
  const auto version = reader.take_integer(4);
  if (reader.take_integer(8) != file.size()) return fault(EntryFault::length);

  // Before anything else is believed, the version included: a flipped bit must not pass for an
  // entry of another version, which would be left in place.
  const std::size_t signed_bytes =
      file.size() - std::min(trailer_bytes, file.size()) + signer_bytes;
  const auto covered = file.substr(0, file.size() - checksum_bytes);
  support::Hasher hasher;
  hasher.add(covered.substr(0, signed_bytes));
  const support::Digest content = hasher.digest();
  if (signed_bytes < covered.size()) hasher.add(covered.substr(signed_bytes));
  if (file.substr(covered.size()) != bytes_of(hasher.digest().bytes))
    return fault(EntryFault::checksum);
  if (version != entry_version) return fault(EntryFault::version);
  if (file.size() < header_bytes + trailer_bytes) return fault(EntryFault::layout);

  auto entry =
      parse_content(file.substr(content_offset, file.size() - trailer_bytes - content_offset));
  if (!entry) return fault(EntryFault::layout);
  entry->content = content;
  entry->signer = named_signer(file.substr(file.size() - trailer_bytes));
  if (entry->signer) {
    entry->signature = array_of<sizeof(Signature)>(file.substr(signed_bytes));
  }
  return {std::move(entry), EntryFault::none};
}

} // namespace kroton::cache
