#pragma once
/// Whether somebody else could have written a file whose content is believed or executed.
///
///   struct stat status;                                     // of a key
///   if (std::string why = why_untrusted("/home/u/k.pub", status); !why.empty()) warn(why);
///
///   CodeFile file = examine_code("/opt/kroton/lib/kroton/libkroton-clang.so");
///   if (file.problem.empty()) load(file.path);
#include <filesystem>
#include <string>

#include <sys/stat.h>

namespace kroton::support {

/// What makes a file or directory one that somebody else could have written to, with the remedy;
/// nothing if it belongs to the effective user or to root and nobody else can write to it.
std::string why_untrusted(const std::string& name, const struct stat& status);

/// The file that holds this very code: libkroton.so, or the program that it was linked into.
struct OwnFile {
  std::filesystem::path path; ///< Absolute, without links; empty if it cannot be told.
  struct stat status {};
  bool is_program = false;
};

/// As it was when the library was loaded: what a relative path meant then, wherever the working
/// directory is now and whatever the program was told that its name is.
const OwnFile& own_file();

struct CodeFile {
  std::filesystem::path path; ///< Absolute, without links.
  std::string problem;        ///< Why it must not be loaded, with the remedy; empty if it may.
};

/// Follows an absolute path from the root to a file that is to be loaded as code. It, its folder
/// and the links on the way must belong to root, to the effective user or to whoever owns
/// `own_file()`, and be writable by nobody else but a group that can write to `own_file()` too: who
/// can replace that needs no other way in. So must the folders above, but for those with the sticky
/// bit, whose entries only their owners can replace, and those that `own_file()` is in as well.
CodeFile examine_code(const std::filesystem::path& path);

} // namespace kroton::support
