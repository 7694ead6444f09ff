#include "lib/support/library.hpp"

#include <dlfcn.h>

#include "lib/support/trust.hpp"

namespace kroton::support {

LoadedLibrary load_library(const std::string& file) {
  std::string path = file;
  if (file.find('/') != file.npos) {
    CodeFile examined = examine_code(file);
    if (!examined.problem.empty()) return {nullptr, std::move(examined.problem), true};
    path = examined.path.string();
  }
  if (void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE))
    return {.handle = handle, .problem = {}};
  const char* reason = ::dlerror();
  return {.problem = reason ? reason : path + " could not be loaded"};
}

} // namespace kroton::support
