#pragma once
/// What a key leads to, a list of named byte strings, and the file it is kept in.
///
///   Artifact a{{{"object", object}, {"log", log}}};
///   std::string file = write_entry(key.record, a);
///   ParsedEntry parsed = parse_entry(file);
///   if (parsed.entry) parsed.entry->artifact.find("object")->bytes;
///
/// docs/cache-format.md is the contract of the file.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kroton::cache {

struct Section {
  std::string name;
  std::string bytes;

  bool operator==(const Section&) const = default;
};

struct Artifact {
  std::vector<Section> sections;

  bool operator==(const Artifact&) const = default;
  /// The first section of that name, or null.
  const Section* find(std::string_view name) const;
  /// Bytes of all sections together.
  std::uint64_t nbytes() const;
};

/// The version that `write_entry` writes and `parse_entry` reads.
inline constexpr std::uint32_t entry_version = 1;

/// A file longer than this is not an entry.
inline constexpr std::uint64_t max_entry_bytes = std::uint64_t{1} << 28;

/// A whole entry file, checksum included.
std::string write_entry(std::string_view record, const Artifact&);

struct Entry {
  std::string record;
  Artifact artifact;
};

/// Why bytes are not an entry that this version reads.
enum class EntryFault : std::uint8_t {
  none,
  length,   ///< Shorter or longer than the header says, or than any entry can be.
  magic,    ///< Not an entry at all.
  checksum, ///< The content is not what was written.
  version,  ///< Whole, and of another version of the format.
  layout,   ///< Whole, but a length inside leads outside: the writer was at fault.
};

/// "checksum differs", ...
std::string_view to_string(EntryFault) noexcept;

struct ParsedEntry {
  std::optional<Entry> entry; ///< Present exactly when `fault` is none.
  EntryFault fault = EntryFault::none;
};

/// Reads an entry file. Any bytes may be given; none make it throw (but for want of memory), read
/// outside of `file`, or allocate more than a small multiple of its length.
ParsedEntry parse_entry(std::string_view file);

} // namespace kroton::cache
