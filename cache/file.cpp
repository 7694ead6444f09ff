#include "cache/file.hpp"

#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <system_error>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <unistd.h>

#include "lib/support/file_limit.hpp"

namespace kroton::cache {
namespace {

/// Whether the file belongs to the effective user and others cannot write to it.
bool is_mine_alone(const struct stat& status) {
  return status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

} // namespace

Fd::~Fd() {
  if (number_ >= 0) ::close(number_);
}

int Fd::close() { return ::close(std::exchange(number_, -1)) == 0 || errno == EINTR ? 0 : errno; }

OpenedFd open_at(int directory, const char* path, int flags, mode_t mode) {
  int fd;
  do {
    fd = ::openat(directory, path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return {Fd(), errno};
  return {Fd(fd), 0};
}

FileBytes read_file(int directory, const char* path, std::uint64_t max_bytes,
                    const ReadOptions& options) {
  FileBytes file;
  const auto [fd, error] = open_at(directory, path, O_RDONLY);
  if (!fd) {
    file.error = error;
    file.is_foreign = error == ELOOP || error == ENXIO; // a symbolic link; a socket
    return file;
  }
  if (::fstat(fd.get(), &file.status) != 0) {
    file.error = errno;
    return file;
  }
  if (!S_ISREG(file.status.st_mode) ||
      (options.owner == Owner::self && !is_mine_alone(file.status)) ||
      static_cast<std::uint64_t>(file.status.st_size) > max_bytes) {
    file.is_foreign = true;
    return file;
  }

  file.bytes.resize(static_cast<std::size_t>(file.status.st_size));
  std::size_t done = 0;
  while (done < file.bytes.size()) {
    const auto n = ::read(fd.get(), file.bytes.data() + done, file.bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) { // An end before st_size: a network file system with an old idea of the length.
      file.error = n < 0 ? errno : EIO;
      file.bytes.clear();
      return file;
    }
    done += static_cast<std::size_t>(n);
  }

  if (options.touch_after_s >= 0 &&
      std::abs(std::int64_t{::time(nullptr)} - std::int64_t{file.status.st_mtime}) >
          options.touch_after_s)
    ::futimens(fd.get(), nullptr); // A failure leaves the entry looking old, which is harmless.
  return file;
}

int write_all(int fd, std::string_view bytes) {
  const support::FileLimitGuard guard;
  while (!bytes.empty()) {
    const auto n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

int make_directory(int parent, const char* name) {
  return ::mkdirat(parent, name, 0700) == 0 || errno == EEXIST ? 0 : errno;
}

int sync_folder(int directory, const char* path) {
  const auto [folder, error] = open_at(directory, path, O_RDONLY | O_DIRECTORY);
  if (!folder) return error;
  return ::fsync(folder.get()) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno;
}

int remove_all(int directory, const std::string& path) {
  // Unless it is a folder: Linux says EISDIR then, others may say EPERM.
  if (::unlinkat(directory, path.c_str(), 0) == 0) return 0;
  const int error = errno;
  if (error != EISDIR && error != EPERM) return error;
  // Folders are removed from below, and never by a path that could have become a link meanwhile.
  const auto [folder, failure] = open_at(directory, path.c_str(), O_RDONLY | O_DIRECTORY);
  if (!folder) return failure == ENOENT ? failure : error;
  int first = 0;
  for (const std::string& name : list_directory(folder.get(), "."))
    if (const int below = remove_all(folder.get(), name); first == 0 && below != ENOENT)
      first = below;
  if (::unlinkat(directory, path.c_str(), AT_REMOVEDIR) == 0) return 0;
  return first != 0 ? first : errno;
}

std::vector<std::string> list_directory(int parent, const char* name) {
  std::vector<std::string> names;
  const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return names;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd), &::closedir);
  if (!stream) {
    ::close(fd);
    return names;
  }
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view found = entry->d_name;
    if (found != "." && found != "..") names.emplace_back(found);
  }
  return names;
}

const std::string& host_name() {
  static const std::string name = [] {
    std::array<char, 256> buffer{};
    if (::gethostname(buffer.data(), buffer.size() - 1) != 0 || buffer[0] == 0)
      return std::string("localhost");
    std::string text(buffer.data(), std::min<std::size_t>(::strnlen(buffer.data(), 64), 64));
    for (char& c : text)
      if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_') c = '_';
    return text;
  }();
  return name;
}

std::string unique_suffix() {
  std::uint64_t random;
  ::randombytes_buf(&random, sizeof random);
  // The pid is asked for each time: a forked child must not go by its parent's.
  return fmt::format("{}-{}-{:016x}", host_name(), ::getpid(), random);
}

std::string error_text(int error) { return std::generic_category().message(error); }

} // namespace kroton::cache
