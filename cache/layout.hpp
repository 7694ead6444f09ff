#pragma once
/// Where in a cache directory, and under a store's address, an entry is.
///
///   entry_path("ab12…")      // "v2/ab/ab12….kro"
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "cache/entry.hpp"

namespace kroton::cache {

inline constexpr std::string_view entry_suffix = ".kro";
inline constexpr std::string_view claim_suffix = ".claim";
inline constexpr std::string_view crash_suffix = ".crash";
inline constexpr std::string_view temporary_prefix = ".tmp-";
inline constexpr std::string_view quarantine_name = "quarantine";

/// The version stands in the path, so that two versions of Kroton can share a directory without
/// overwriting each other's entries.
inline std::string version_path() { return fmt::format("v{}", entry_version); }

inline std::string shard_path(std::string_view hex) {
  return fmt::format("{}/{}", version_path(), hex.substr(0, 2));
}

inline std::string entry_path(std::string_view hex) {
  return fmt::format("{}/{}{}", shard_path(hex), hex, entry_suffix);
}

inline std::string crash_path(std::string_view hex) {
  return fmt::format("{}/{}{}", shard_path(hex), hex, crash_suffix);
}

inline std::string claim_path(std::string_view hex) {
  return fmt::format("{}/{}{}", shard_path(hex), hex, claim_suffix);
}

} // namespace kroton::cache
