#pragma once
/// Where the parts of Kroton are that are loaded when they are first needed.
///
///   PluginPlace place = find_plugin("libkroton-clang.so");
///   if (place.path.empty()) complain(place.problem);
///   LoadedLibrary plugin = load_library(place.path);   // which may be refused as not trusted
#include <filesystem>
#include <string>
#include <string_view>

namespace kroton::support {

struct PluginPlace {
  std::filesystem::path path; ///< Empty if it is in none of the folders.
  std::string problem;        ///< Then, where it was looked for.
};

/// Looks in $KROTON_PLUGIN_DIR if that is set. Else, for a library or program that is in the
/// build tree it was built in, where that tree has its plugins; for others, in the prefix that they
/// are in, beside them, and where Kroton was to be installed.
PluginPlace find_plugin(std::string_view file);

} // namespace kroton::support
