#pragma once
/// What is in a cache directory, without a look into the files: for sweeping and for people.
/// Nothing here is on the way of a lookup, which lists no directory.
///
///   const Inventory all = take_inventory(directory.get());
///   for (const StoredFile& entry : all.entries) entry.digest, entry.nbytes;
///   find_entries(directory.get(), entry_version, "3f2a");      // the keys that begin so
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

namespace kroton::cache {

enum class FileKind : std::uint8_t {
  entry,       ///< v2/ab/abcd….kro
  claim,       ///< v2/ab/abcd….claim
  crash,       ///< v2/ab/abcd….crash, a note of processes that ended while making the entry
  temporary,   ///< v2/ab/.tmp-…, an entry being written or left by a killed writer
  quarantined, ///< quarantine/…
  unknown,     ///< anything else under v2/ab
};

struct StoredFile {
  FileKind kind = FileKind::unknown;
  std::uint32_t version = 0; ///< Of the format, from the folder's name; 0 in the quarantine.
  std::string path;          ///< From the cache directory on.
  std::string digest;        ///< 64 hexadecimal digits; of an entry only.
  struct stat status {};     ///< Of the file itself, should it be a link.

  std::uint64_t nbytes() const { return static_cast<std::uint64_t>(status.st_size); }
};

/// Calls `visit` for every file of a cache directory, of all format versions, until it returns
/// false. What cannot be listed or examined is passed over.
void visit_files(int directory, const std::function<bool(const StoredFile&)>& visit);

struct FileCount {
  std::uint64_t files = 0;
  std::uint64_t nbytes = 0;
};

struct Inventory {
  std::vector<StoredFile> entries; ///< By version, then digest.
  FileCount quarantined, claims, crashes, temporaries, unknown;
};

Inventory take_inventory(int directory);

/// The entries of a format version whose digest begins with `prefix`, hexadecimal digits in lower
/// case; sorted. From two digits on, one folder is listed.
std::vector<StoredFile> find_entries(int directory, std::uint32_t version, std::string_view prefix);

} // namespace kroton::cache
