#include "lib/support/trust.hpp"

#include <algorithm>
#include <cerrno>
#include <list>
#include <system_error>

#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>
#include <unistd.h>

namespace kroton::support {
namespace {

namespace fs = std::filesystem;

constexpr mode_t writable_by_others = S_IWGRP | S_IWOTH;
constexpr int most_links = 40; // as the kernel follows

fs::path find_own_file(bool& is_program) {
  std::error_code ignored;
  Dl_info self{};
  link_map* map = nullptr;
  if (::dladdr1(reinterpret_cast<void*>(&find_own_file), &self, reinterpret_cast<void**>(&map),
                RTLD_DL_LINKMAP) == 0)
    return {};
  // The dynamic linker knows a program by the name that its caller made up, and has no file for it.
  is_program = !map || !*map->l_name;
  return is_program ? fs::read_symlink("/proc/self/exe", ignored)
                    : fs::canonical(map->l_name, ignored);
}

/// Asked for while the library is being loaded, before the program can change its directory.
[[maybe_unused]] const OwnFile& when_loaded = own_file();

bool is_owner_trusted(const struct stat& status) {
  const OwnFile& own = own_file();
  return status.st_uid == 0 || status.st_uid == ::geteuid() ||
         (!own.path.empty() && status.st_uid == own.status.st_uid);
}

bool are_writers_trusted(const struct stat& status) {
  if ((status.st_mode & writable_by_others) == 0) return true;
  const OwnFile& own = own_file();
  return (status.st_mode & S_IWOTH) == 0 && !own.path.empty() &&
         (own.status.st_mode & S_IWGRP) != 0 && own.status.st_gid == status.st_gid;
}

std::string foreign(const std::string& name, const struct stat& status) {
  return fmt::format("{} belongs to user {}; chown it", name, status.st_uid);
}

std::string writable(const std::string& name, const struct stat& status) {
  return fmt::format("{} is writable by others (mode {:04o}); look at what is in it, then "
                     "chmod go-w {}",
                     name, status.st_mode & 07777, name);
}

std::string why_no_code(const fs::path& path, const struct stat& status) {
  if (!is_owner_trusted(status)) return foreign(path.string(), status);
  if (!are_writers_trusted(status)) return writable(path.string(), status);
  return {};
}

/// Whether the folder is one of those above `own_file()`.
bool holds_own_file(const fs::path& folder) {
  const fs::path& own = own_file().path;
  return std::ranges::mismatch(folder, own).in1 == folder.end();
}

std::string text_of(int error) { return std::generic_category().message(error); }

} // namespace

std::string why_untrusted(const std::string& name, const struct stat& status) {
  if (status.st_uid != ::geteuid() && status.st_uid != 0) return foreign(name, status);
  if ((status.st_mode & writable_by_others) != 0) return writable(name, status);
  return {};
}

const OwnFile& own_file() {
  static const OwnFile& own = *new OwnFile([] { // outlives what runs at the end of the process
    OwnFile found;
    found.path = find_own_file(found.is_program);
    if (::stat(found.path.c_str(), &found.status) != 0) found.path.clear();
    return found;
  }());
  return own;
}

CodeFile examine_code(const fs::path& path) {
  CodeFile file{path, {}};
  const auto refuse = [&](std::string problem) {
    file.problem = std::move(problem);
    return file;
  };
  if (!path.is_absolute())
    return refuse(fmt::format("{} is a relative path, which depends on the working directory; "
                              "give an absolute one",
                              path.string()));
  fs::path reached = "/";
  struct stat folder; // `reached`, once there is more to come
  if (::lstat("/", &folder) != 0)
    return refuse(fmt::format("cannot examine /: {}", text_of(errno)));
  std::list<fs::path> left(path.begin(), path.end());
  int links = 0;
  while (!left.empty()) {
    const fs::path part = std::move(left.front());
    left.pop_front();
    if (part == "/") reached = "/";
    if (part == "..") reached = reached.parent_path();
    const bool is_name = part != "/" && part != ".." && part != "." && !part.empty();
    const fs::path next = is_name ? reached / part : reached;
    struct stat status;
    if (::lstat(next.c_str(), &status) != 0)
      return refuse(fmt::format("cannot examine {}: {}", next.string(), text_of(errno)));

    if (S_ISLNK(status.st_mode)) {
      // Anybody can write to a link's mode, and nobody to a link: only its owner counts.
      if (!is_owner_trusted(status)) return refuse(foreign(next.string(), status));
      std::error_code error;
      const fs::path target = fs::read_symlink(next, error);
      if (error || ++links > most_links)
        return refuse(fmt::format("cannot follow {}: {}", next.string(),
                                  error ? error.message() : "too many links"));
      left.insert(left.begin(), target.begin(), target.end());
      continue;
    }
    if (S_ISDIR(status.st_mode)) {
      folder = status;
      reached = next;
      const bool is_safe = is_owner_trusted(status) && (status.st_mode & S_ISVTX) != 0;
      if (is_safe || holds_own_file(reached)) continue;
      if (std::string why = why_no_code(reached, status); !why.empty())
        return refuse(std::move(why));
      continue;
    }
    if (!S_ISREG(status.st_mode) || !left.empty())
      return refuse(fmt::format("{} is no {}", next.string(), left.empty() ? "file" : "folder"));
    if (std::string why = why_no_code(reached, folder); !why.empty()) return refuse(std::move(why));
    file.path = next;
    return refuse(why_no_code(next, status));
  }
  return refuse(fmt::format("{} is a folder", reached.string()));
}

} // namespace kroton::support
