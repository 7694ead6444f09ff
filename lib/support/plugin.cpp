#include "lib/support/plugin.hpp"

#include <cstdlib>
#include <vector>

#include <dlfcn.h>

namespace kroton::support {
namespace {

namespace fs = std::filesystem;

/// The library that this code was linked into, or the program if it was linked into that; empty if
/// neither can be told.
fs::path own_file() {
  Dl_info self{};
  std::error_code ignored;
  if (!dladdr(reinterpret_cast<void*>(&find_plugin), &self) || !self.dli_fname) return {};
  // A program is known by the name it was called by, which leads nowhere if it was found by PATH.
  const fs::path name = self.dli_fname;
  return name.has_parent_path() ? fs::weakly_canonical(name, ignored)
                                : fs::read_symlink("/proc/self/exe", ignored);
}

/// The build tree that holds a folder: the one of its parents where Meson keeps its own files; else
/// empty.
fs::path build_tree_of(const fs::path& folder) {
  std::error_code ignored;
  for (fs::path root = folder; root.has_relative_path(); root = root.parent_path())
    if (fs::exists(root / "meson-private", ignored)) return root;
  return {};
}

/// Best first; only there, if the user says where.
std::vector<fs::path> plugin_folders() {
  if (const char* chosen = std::getenv("KROTON_PLUGIN_DIR"); chosen && *chosen) return {chosen};
  std::vector<fs::path> folders;
  if (const fs::path own = own_file(); !own.empty()) {
    const fs::path here = own.parent_path();
    folders.push_back(here);
    if (const fs::path root = build_tree_of(here); !root.empty())
      for (const char* room : {"jit/cpu", "cache"}) folders.push_back(root / room);
    folders.push_back(here / "kroton"); // an installed prefix, wherever it was moved to
#ifdef KROTON_LIBDIR
    folders.push_back(here / ".." / KROTON_LIBDIR / "kroton"); // from the program in its bin
#endif
  }
#ifdef KROTON_INSTALL_PLUGIN_DIR
  folders.emplace_back(KROTON_INSTALL_PLUGIN_DIR);
#endif
  return folders;
}

} // namespace

PluginPlace find_plugin(std::string_view file) {
  PluginPlace place;
  for (const auto& folder : plugin_folders()) {
    std::error_code ignored;
    place.searched += (place.searched.empty() ? "" : ", ") + folder.string();
    if (!fs::exists(folder / file, ignored)) continue;
    place.path = folder / file;
    break;
  }
  return place;
}

} // namespace kroton::support
