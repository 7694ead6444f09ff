#pragma once
/// The levels that others fill, as `doctor` and `serve-check` examine them.
#include <optional>
#include <string>
#include <vector>

namespace kroton::tool {

/// Something that is so, and what is wrong with it.
struct Fact {
  std::string what;
  std::string is;
  std::string problem; ///< Empty if nothing is wrong.
};

/// The read-only directories and the store that the environment names, the key that signs and the
/// keys that are trusted. Asks the store once.
std::vector<Fact> examine_shared_levels();

struct FetchedEntry {
  std::string store; ///< Its address, without secrets.
  std::string bytes; ///< Whatever it returned.
};

/// What the store of the environment has under a digest; nothing if it has none, or if there is no
/// store. Throws Failure if it does not answer.
std::optional<FetchedEntry> fetch_entry(const std::string& digest);

} // namespace kroton::tool
