#pragma once
/// Opens the user's cache directory, or says why it will not do. What the cache returns is
/// executed, so a directory in which others can place files is refused.
///
///   OpenedDirectory opened = open_directory("/home/u/.cache/kroton");
///   if (!opened.fd) warn(opened.refusal);
#include <filesystem>
#include <string>

#include <sys/stat.h>

#include "cache/file.hpp"
#include "lib/support/trust.hpp"

namespace kroton::cache {

/// Creates `path` and its missing parents with mode 0700, as the XDG base directory specification
/// asks for, and returns 0 or the errno value of the first that could not be made.
int make_directories(const std::filesystem::path& path);

using support::why_untrusted;

/// What makes a folder on the way to `path`, which is in the directory of that name, one that
/// leads elsewhere or that somebody else could have written to, with the remedy; nothing if all
/// folders are in order, or not there.
std::string why_folders_untrusted(const Fd& directory, const std::filesystem::path& name,
                                  const std::string& path);

/// Whether the directory behind the descriptor has been deleted, or lost by its server.
bool is_gone(const Fd& directory);

struct OpenedDirectory {
  Fd fd;               ///< Empty when refused.
  std::string refusal; ///< The reason and the fix, in one line.
  /// Why nothing can be written to a directory that may be read, and the fix; empty if it can.
  std::string read_only = {};
};

/// Creates the directory and what is missing above it with mode 0700 and opens it. It must belong
/// to the effective user and be writable by nobody else.
OpenedDirectory open_directory(const std::filesystem::path&);

} // namespace kroton::cache
