#include "lib/support/plugin.hpp"

#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lib/build_tree.hpp"
#include "lib/support/environment.hpp"
#include "lib/support/trust.hpp"

namespace kroton::support {
namespace {

namespace fs = std::filesystem;

/// The build tree that this code was built in, if it still is where it was built; else empty.
/// What is installed is the same file in another place, and is not taken for part of a build tree
/// by what is around it.
fs::path own_build_tree(const fs::path& here) {
  std::error_code ignored;
  const fs::path root = fs::canonical(build_root, ignored);
  return !root.empty() && (here == root / "jit" || here == root / "tools/kroton") ? root
                                                                                  : fs::path();
}

/// Best first.
std::vector<fs::path> plugin_folders() {
  std::vector<fs::path> folders;
  if (const OwnFile& own = own_file(); !own.path.empty()) {
    const fs::path here = own.path.parent_path();
    if (const fs::path root = own_build_tree(here); !root.empty())
      return {root / "jit/cpu", root / "cache"};
    folders.push_back(here / "kroton"); // an installed prefix, wherever it was moved to
#ifdef KROTON_LIBDIR
    if (own.is_program)
      folders.push_back((here / ".." / KROTON_LIBDIR / "kroton").lexically_normal());
#endif
    folders.push_back(here);
  }
#ifdef KROTON_INSTALL_PLUGIN_DIR
  folders.emplace_back(KROTON_INSTALL_PLUGIN_DIR);
#endif
  return folders;
}

} // namespace

PluginPlace find_plugin(std::string_view file) {
  std::vector<fs::path> folders;
  if (const fs::path chosen = variable("KROTON_PLUGIN_DIR"); chosen.is_absolute())
    folders.push_back(chosen);
  else if (!chosen.empty())
    return {{},
            fmt::format("KROTON_PLUGIN_DIR={} is a relative path, which depends on the working "
                        "directory; give an absolute one",
                        chosen.string())};
  else
    folders = plugin_folders();
  std::vector<std::string> searched;
  for (const fs::path& folder : folders) {
    std::error_code ignored;
    if (fs::exists(folder / file, ignored)) return {folder / file, {}};
    searched.push_back(folder.string());
  }
  return {{}, fmt::format("{} is in none of {}", file, fmt::join(searched, ", "))};
}

} // namespace kroton::support
