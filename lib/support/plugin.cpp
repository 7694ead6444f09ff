#include "lib/support/plugin.hpp"

#include <cstdlib>
#include <vector>

#include <dlfcn.h>

namespace kroton::support {
namespace {

namespace fs = std::filesystem;

/// Best first; only there, if the user says where.
std::vector<fs::path> plugin_folders() {
  if (const char* chosen = std::getenv("KROTON_PLUGIN_DIR"); chosen && *chosen) return {chosen};
  std::vector<fs::path> folders;
  Dl_info self{};
  if (dladdr(reinterpret_cast<void*>(&find_plugin), &self) && self.dli_fname) {
    std::error_code ignored;
    const auto here = fs::weakly_canonical(self.dli_fname, ignored).parent_path();
    folders.push_back(here);
    for (const char* in_build_tree : {"cpu", "../cache"}) folders.push_back(here / in_build_tree);
    folders.push_back(here / "kroton"); // an installed prefix, wherever it was moved to
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
