#pragma once
/// The entries of a cache directory, as commands see them.
///
///   const OpenedCache cache = open_cache(context);
///   const LoadedEntry entry = load(cache, find_one(cache, "3f2a91"));
///   if (!entry.fault.empty()) …
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/disk.hpp"
#include "cache/entry.hpp"
#include "cache/file.hpp"
#include "cache/inventory.hpp"
#include "cache/key.hpp"
#include "cache/keyring.hpp"
#include "cache/sign.hpp"
#include "tools/kroton/context.hpp"

namespace kroton::tool {

struct OpenedCache {
  std::filesystem::path directory;
  cache::Fd fd; ///< Empty for a directory that is not there yet, which holds nothing.
};

/// Opens the context's directory for reading. One that may be read but would be refused for
/// running code from is read all the same; `doctor` tells of it. Throws Failure if there is none,
/// or if it was named on the command line and is not there.
OpenedCache open_cache(const Context&);

/// The directories that are searched for an entry: the context's, and those of KROTON_CACHE_PATH
/// that can be opened, unless one was named on the command line. Throws Failure if there is none.
std::vector<OpenedCache> open_directories(const Context&);

/// An entry, read and checked as far as its own bytes go.
struct LoadedEntry {
  std::string level; ///< The directory or store that it comes from.
  cache::StoredFile file;
  std::string bytes; ///< The file as it is.
  std::optional<cache::Entry> entry;
  std::string fault;      ///< Why there is no entry, or what is wrong with the one there is.
  bool is_unread = false; ///< The fault is in reading, not in what was read.

  /// The record's fields; without any when it does not parse.
  cache::Record record() const;
  /// "3f2a91c04d7e": enough of the digest to tell it by.
  std::string short_digest() const { return file.digest.substr(0, 12); }
  /// The content of a section; nothing if there is no such section, or it does not decode.
  std::optional<std::string> section(std::string_view name) const;
  /// The source that it was compiled from; empty if it holds none.
  std::string source() const;
  /// What it computes, in a line: of a kernel, the first line of its source, if that is a comment;
  /// of a plan, that of its summary.
  std::string title() const;
  /// Where it is: a path, or the store's address.
  std::string place() const;
};

LoadedEntry load(const OpenedCache&, const cache::StoredFile&);

/// The one entry of a directory that `key` names: the first digits of its digest, four or more, or
/// a file's path, which has a slash or ends in .kro. Throws Failure if there is none or more than
/// one.
cache::StoredFile find_one(const OpenedCache&, const std::string& key);

/// The entry that `key` names, from the first level that has it: the directories above and, for all
/// 64 digits of a digest, the store of KROTON_CACHE_URL, which cannot be searched. Throws Failure
/// if there is none or more than one.
LoadedEntry find_in_levels(const Context&, const std::string& key);

/// The same entry; throws Failure if it could not be read or parsed.
LoadedEntry whole(LoadedEntry);

/// The entries that `keys` name, or all of the current format version if there are no keys.
std::vector<cache::StoredFile> find_all(const OpenedCache&, const std::vector<std::string>& keys);

/// Whom an entry says it is signed by, read from its end alone: nothing is verified.
std::optional<cache::PublicKey> named_signer(const OpenedCache&, const cache::StoredFile&);

/// The names that the user has given to signers.
class Signers {
public:
  Signers();

  /// "build-farm" for a key that is trusted, else the first 16 digits of the key; fit to print.
  std::string name_of(const cache::PublicKey&) const;
  /// "build-farm (03a107bf…)", or the key alone.
  std::string full_name_of(const cache::PublicKey&) const;
  /// What selects the entries of a signer: the name of a trusted key, or the first digits of any,
  /// eight or more. Throws Failure if it is neither.
  std::string prefix_of(const std::string& signer) const;

private:
  std::vector<cache::TrustedKey> keys_;
};

/// The user's key, to sign with. Throws Failure if there is none that can be used.
cache::SigningKey signing_key();

} // namespace kroton::tool
