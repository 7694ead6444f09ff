#include "jit/cuda/library.hpp"

#include <cstdlib>
#include <span>

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <glob.h>
#include <link.h>

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
  if (const char* environment = std::getenv("VIRTUAL_ENV"); environment && *environment)
    folders.push_back(fmt::format("{}/lib/python3*/site-packages", environment));
  if (const char* home = std::getenv("HOME"); home && *home)
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

/// What the dynamic linker said of its last failure.
std::string last_error() {
  const char* text = ::dlerror();
  return text ? text : "it could not be opened";
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
  const auto open = [&](const std::string& file) {
    library.handle_ = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library.handle_) library.path_ = path_of(library.handle_, file);
    return library.handle_ != nullptr;
  };
  if (const char* file = std::getenv(name.variable); file && *file) {
    if (!open(file)) library.problem_ = fmt::format("{}={}: {}", name.variable, file, last_error());
    return library;
  }
  for (const char* file : name.names)
    if (open(file)) return library;
  const std::string first_error = last_error();
  for (const char* file : name.names)
    for (const std::string& place : candidates(file))
      if (open(place)) return library;
  library.problem_ = fmt::format(
      "there is no {} in the dynamic linker's path, in /usr/local/cuda/lib64 or among pip's "
      "packages; {} may name its file ({})",
      fmt::join(name.names, " or "), name.variable, first_error);
  return library;
}

} // namespace kroton::jit::cuda
