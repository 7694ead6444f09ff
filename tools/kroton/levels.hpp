#pragma once
/// The levels that others fill, as `doctor` and `serve-check` examine them.
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

} // namespace kroton::tool
