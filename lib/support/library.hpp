#pragma once
/// Shared libraries that are loaded when they are first needed.
///
///   LoadedLibrary library = load_library("/opt/kroton/lib/kroton/libkroton-http.so");
///   if (!library.handle) complain(library.problem);
#include <string>

namespace kroton::support {

struct LoadedLibrary {
  void* handle = nullptr;    ///< For dlsym.
  std::string problem;       ///< Why there is none.
  bool is_untrusted = false; ///< Because somebody else could have written it.
};

/// Loads a library for good: nothing unloads it, since threads of the process may be in its code at
/// any time. A name without a slash is looked for by the dynamic linker. A path must be absolute,
/// and is examined first (`examine_code`): a library that somebody else could have written is not
/// loaded.
LoadedLibrary load_library(const std::string& file);

/// Loads a library that has been loaded before, given by its path, once more: with static objects
/// of its own, as long as it exports none. The dynamic linker knows files by their inode, so it is
/// given a copy in memory.
LoadedLibrary load_library_again(const std::string& file);

} // namespace kroton::support
