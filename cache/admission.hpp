#pragma once
/// The gate between bytes that some level returned and an artifact that may be used. Everything
/// that any level finds passes through it.
///
///   Admission admission = admit(file, key, {.trusted = &keys, .has_feature = has_cpu_feature});
///   if (admission.artifact) …
///   else if (admission.is_damaged) …             // nobody can use it
///   else log(admission.reason);                  // perhaps others can
#include <memory>
#include <string>
#include <string_view>

#include "cache/artifact.hpp"
#include "cache/key.hpp"
#include "cache/keyring.hpp"

namespace kroton::cache {

struct Entry;

/// Whether this process's CPU has what a word of Artifact::requirements names. Must be false for
/// words that it does not know.
using HasFeature = bool (*)(std::string_view word);

/// What a level's entries must be to be used.
struct Policy {
  /// Entries must be signed by one of these. Null: entries need no signature, since only the user
  /// can write to the level, or has said that it is to be trusted.
  const TrustedKeys* trusted = nullptr;
  /// Null: no feature is there, so that only artifacts without requirements are used.
  HasFeature has_feature = nullptr;
};

/// Why an entry's signature does not do, or nothing.
std::string why_not_trusted(const Entry&, const TrustedKeys&);

struct Admission {
  std::shared_ptr<const Artifact> artifact; ///< Null when the entry may not be used.
  std::string reason;                       ///< Why not.
  bool is_damaged = false; ///< It is of use to nobody: its content is not what a writer wrote.
};

/// Checks, in this order: length, magic, checksum, version, layout, that the record is the key's
/// own, signature, required features. Never throws except when memory runs out.
Admission admit(std::string_view file, const Key&, const Policy&);

} // namespace kroton::cache
