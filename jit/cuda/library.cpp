#include "jit/cuda/library.hpp"

#include <span>

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <glob.h>
#include <link.h>

#include "lib/support/environment.hpp"
#include "lib/support/library.hpp"

namespace kroton::jit::cuda {
namespace {

/// The files that match a pattern of the shell's, sorted.
std::vector<std::string> files_like(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> files;
  if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0)
    for (const char* path : std::span(found.gl_pathv, found.gl_pathc)) files.emplace_back(path);
  ::globfree(&found);
  return files;
}

/// Where pip puts packages: in the active environment, the user's folder, and the system's.
std::vector<std::string> python_folders() {
  std::vector<std::string> folders;
  if (const std::string environment = support::variable("VIRTUAL_ENV"); !environment.empty())
    folders.push_back(fmt::format("{}/lib/python3*/site-packages", environment));
  if (const std::string home = support::variable("HOME"); !home.empty())
    folders.push_back(fmt::format("{}/.local/lib/python3*/site-packages", home));
  for (const char* system :
       {"/usr/local/lib/python3*/site-packages", "/usr/local/lib/python3*/dist-packages",
        "/usr/lib/python3/dist-packages"})
    folders.emplace_back(system);
  return folders;
}

/// Where to look besides the dynamic linker's own path.
std::vector<std::string> candidates(const char* name) {
  std::vector<std::string> files = files_like(fmt::format("/usr/local/cuda/lib64/{}", name));
  for (const std::string& folder : python_folders())
    for (std::string& file : files_like(fmt::format("{}/nvidia/*/lib/{}", folder, name)))
      files.push_back(std::move(file));
  return files;
}

std::string path_of(void* handle, std::string asked) {
  link_map* map = nullptr;
  if (::dlinfo(handle, RTLD_DI_LINKMAP, static_cast<void*>(&map)) == 0 && map && *map->l_name)
    return map->l_name;
  return asked;
}

} // namespace

void* Library::address(const char* symbol) const noexcept {
  return handle_ ? ::dlsym(handle_, symbol) : nullptr;
}

Library open_library(const LibraryName& name) {
  Library library;
  std::vector<std::string> problems;
  const auto open = [&](const std::string& file) {
    support::LoadedLibrary loaded = support::load_library(file);
    library.handle_ = loaded.handle;
    if (library.handle_)
      library.path_ = path_of(library.handle_, file);
    else
      problems.push_back(std::move(loaded.problem));
    return library.handle_ != nullptr;
  };
  if (const std::string file = support::variable(name.variable); !file.empty()) {
    if (!open(file))
      library.problem_ = fmt::format("{}={}: {}", name.variable, file, problems.front());
    return library;
  }
  for (const char* file : name.names)
    if (open(file)) return library;
  problems.resize(1); // one of those that are in no folder tells as much as all
  for (const char* file : name.names)
    for (const std::string& place : candidates(file))
      if (open(place)) return library;
  library.problem_ = fmt::format(
      "there is no {} in the dynamic linker's path, in /usr/local/cuda/lib64 or among pip's "
      "packages; {} may name its file ({})",
      fmt::join(name.names, " or "), name.variable, fmt::join(problems, "; "));
  return library;
}

} // namespace kroton::jit::cuda
