#pragma once
/// Where the parts of Kroton lie that are loaded when they are first needed.
///
///   PluginPlace place = find_plugin("libkroton-clang.so");
///   if (place.path.empty()) complain(place.searched);
#include <filesystem>
#include <string>
#include <string_view>

namespace kroton::support {

struct PluginPlace {
  std::filesystem::path path; ///< Empty if it is in none of the folders.
  std::string searched;       ///< The folders, for people.
};

/// Looks in $KROTON_PLUGIN_DIR if that is set; else beside libkroton.so or the command `kroton`,
/// where the build tree and an installed prefix have it, and where it was to be installed.
PluginPlace find_plugin(std::string_view file);

} // namespace kroton::support
