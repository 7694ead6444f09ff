#pragma once
/// Files that were changed on purpose, with a checksum that fits them: what is behind the
/// checksum is reached.
///
///   entry[8] = 3;
///   write_file(path, with_checksum(entry));
#include <string>

#include "lib/support/digest.hpp"

namespace kroton::test {

/// `file`, an entry or a bundle, with its last 32 bytes made the checksum of those before.
inline std::string with_checksum(std::string file) {
  file.resize(file.size() - sizeof(support::Digest::bytes));
  const support::Digest digest = support::digest_of(file);
  file.append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
  return file;
}

} // namespace kroton::test
