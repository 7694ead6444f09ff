#pragma once
/// The file that an artifact is kept in, with its key's record and perhaps a signature.
///
///   std::string file = write_entry(key.record, artifact, signing_key);
///   ParsedEntry parsed = parse_entry(file);
///   if (parsed.entry) parsed.entry->artifact.find("object")->bytes;
///
/// docs/cache-format.md is the contract of the file; admission.hpp decides what a reader takes.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cache/artifact.hpp"
#include "cache/sign.hpp"
#include "lib/support/digest.hpp"

namespace kroton::cache {

/// The version that `write_entry` writes and `parse_entry` reads.
inline constexpr std::uint32_t entry_version = 2;

/// A file longer than this is not an entry.
inline constexpr std::uint64_t max_entry_bytes = std::uint64_t{1} << 28;

/// A whole entry file, checksum included; signed if there is a key.
std::string write_entry(std::string_view record, const Artifact&, const SigningKey* = nullptr);

struct Entry {
  std::string record;
  Artifact artifact;
  support::Digest content = {}; ///< Of all that a signature covers.
  std::optional<PublicKey> signer = {};
  Signature signature = {};

  /// Whether there is a signer, and the signature is that key's for this very content. Whether the
  /// key is to be trusted is another question.
  bool has_valid_signature() const;
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

/// Reads an entry file. Any bytes may be given; none make it throw (except when memory runs out),
/// read outside of `file`, or allocate more than a small multiple of its length. Signatures are
/// read and not verified.
ParsedEntry parse_entry(std::string_view file);

/// Bytes at the end of an entry that begin with its signer.
inline constexpr std::size_t entry_trailer_bytes = 32 + 64 + 32;

/// Who an entry says has signed it, from its last `entry_trailer_bytes` alone: nothing is verified.
std::optional<PublicKey> named_signer(std::string_view trailer);

} // namespace kroton::cache
