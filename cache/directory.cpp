#include "cache/directory.hpp"

#include <cerrno>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace kroton::cache {

int make_directories(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return 0;
  if (errno != ENOENT) return errno;
  std::filesystem::path so_far;
  for (const auto& part : path) {
    so_far /= part;
    struct stat status;
    if (::stat(so_far.c_str(), &status) == 0) continue;
    if (::mkdir(so_far.c_str(), 0700) != 0 && errno != EEXIST) return errno;
  }
  return 0;
}

std::string why_folders_untrusted(const Fd& directory, const std::filesystem::path& name,
                                  const std::string& path) {
  for (auto end = path.find('/'); end != path.npos; end = path.find('/', end + 1)) {
    const std::string folder = path.substr(0, end);
    struct stat status;
    if (::fstatat(directory.get(), folder.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return errno == ENOENT || errno == ESTALE
                 ? "" // the file will not be there either
                 : fmt::format("cannot examine {}: {}", (name / folder).string(),
                               error_text(errno));
    if (!S_ISDIR(status.st_mode))
      return fmt::format("{} is no folder; remove it", (name / folder).string());
    if (std::string why = why_untrusted((name / folder).string(), status); !why.empty()) return why;
  }
  return {};
}

bool is_gone(const Fd& directory) {
  struct stat status;
  return ::fstat(directory.get(), &status) != 0 || status.st_nlink == 0;
}

OpenedDirectory open_directory(const std::filesystem::path& path) {
  const std::string name = path.string();
  const auto refuse = [](std::string reason) {
    return OpenedDirectory{Fd(), std::move(reason), {}};
  };

  if (const int error = make_directories(path))
    return refuse(fmt::format("cannot create {}: {}; make it, or set KROTON_CACHE_DIR to a "
                              "directory that you can write to",
                              name, error_text(error)));
  // The directory itself may be a link to a larger disk; what counts is whose the target is.
  Fd fd(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd)
    return refuse(fmt::format("cannot open {}: {}; repair it, or set KROTON_CACHE_DIR to another "
                              "directory",
                              name, error_text(errno)));
  struct stat status;
  if (::fstat(fd.get(), &status) != 0)
    return refuse(fmt::format("cannot examine {}: {}", name, error_text(errno)));
  if (status.st_uid != ::geteuid())
    return refuse(fmt::format("{} belongs to user {}, not to user {} who runs this process; "
                              "chown it, or set KROTON_CACHE_DIR to a directory of your own",
                              name, status.st_uid, ::geteuid()));
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return refuse(fmt::format("{} is writable by others (mode {:04o}), who could plant code in it; "
                              "remove what you do not trust in it, then chmod go-w {}",
                              name, status.st_mode & 07777, name));
  if (::faccessat(fd.get(), ".", X_OK, AT_EACCESS) != 0)
    return refuse(fmt::format("cannot look into {}: {}; chmod u+rwx it, or set KROTON_CACHE_DIR to "
                              "another directory",
                              name, error_text(errno)));
  std::string read_only;
  if (::faccessat(fd.get(), ".", W_OK, AT_EACCESS) != 0)
    read_only = fmt::format("{} is not writable: {}; what is in it is read, and new entries are "
                            "kept in memory only; make it writable, or set KROTON_CACHE_DIR to a "
                            "directory that is",
                            name, error_text(errno));
  return {std::move(fd), {}, std::move(read_only)};
}

} // namespace kroton::cache
