#include "lib/data/output_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>
#include <system_error>
#include <utility>

#include "lib/support/error.hpp"
#include "lib/support/file_limit.hpp"

namespace kroton::data {
namespace {

/// The descriptor of this process that a path such as /dev/stdout or /proc/self/fd/3 stands for.
std::optional<int> descriptor_of(std::filesystem::path path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const std::string descriptors = fmt::format("/proc/{}/fd", ::getpid());
  for (int links = 0; links < 40; ++links) {
    const fs::path folder = fs::canonical(fs::absolute(path, error).parent_path(), error);
    if (error) return {};
    if (folder == descriptors) {
      const std::string name = path.filename().string();
      int number = -1;
      const auto read = std::from_chars(name.data(), name.data() + name.size(), number);
      if (read.ec == std::errc() && number >= 0) return number;
      return {};
    }
    const fs::path target = fs::read_symlink(folder / path.filename(), error);
    if (error) return {};
    path = folder / target;
  }
  return {};
}

bool is_link(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_symlink(path, error);
}

} // namespace

void OutputFile::open(const std::filesystem::path& path) {
  path_ = path;
  if (const auto number = descriptor_of(path)) {
    file_ = ::fcntl(*number, F_DUPFD_CLOEXEC, 0);
    if (file_ < 0) give_up(errno);
    return;
  }
  // Links are followed by the kernel, which knows whom it must not follow them for.
  int found = ::open(path.c_str(), O_PATH | O_CLOEXEC);
  if (found < 0 && errno == ENOENT && is_link(path)) {
    found = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666); // the link's target
    is_made_ = found >= 0;
    if (!is_made_) give_up(errno);
  }
  if (found < 0 && errno != ENOENT) give_up(errno);
  if (found < 0) {
    open_beside(path, {});
    return;
  }
  struct stat status;
  const int failed = ::fstat(found, &status);
  std::error_code error;
  // The name of what was opened, without links.
  const auto target = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", found), error);
  ::close(found);
  if (failed != 0) give_up(errno);
  if (S_ISDIR(status.st_mode)) give_up(EISDIR);
  if (!S_ISREG(status.st_mode)) {
    file_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (file_ < 0) give_up(errno);
    return;
  }
  if (::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0) give_up(errno);
  open_beside(error ? path : target, status);
}

OutputFile::~OutputFile() {
  if (file_ >= 0) ::close(file_);
  if (is_published_ || target_.empty()) return;
  ::unlink(temporary_.c_str());
  if (is_made_) ::unlink(target_.c_str());
}

void OutputFile::write(const void* bytes, std::size_t size) {
  const support::FileLimitGuard guard; // the limit is an error like others
  const char* from = static_cast<const char*>(bytes);
  while (size != 0) {
    const ssize_t written = ::write(file_, from, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) give_up(errno);
    from += written;
    size -= static_cast<std::size_t>(written);
  }
}

void OutputFile::publish() {
  // Without fsync a crash could leave the name on an empty file.
  if (!target_.empty() && ::fsync(file_) != 0) give_up(errno);
  const int closed = ::close(std::exchange(file_, -1));
  if (closed != 0) give_up(errno);
  if (!target_.empty() && ::rename(temporary_.c_str(), target_.c_str()) != 0) give_up(errno);
  is_published_ = true;
}

/// A temporary file beside `target`, with the permissions of the one that it is to replace.
void OutputFile::open_beside(const std::filesystem::path& target,
                             const std::optional<struct stat>& old) {
  target_ = target;
  // O_EXCL tells a name that another thread, or a process that died, has taken.
  for (int attempt = 0; file_ < 0; ++attempt) {
    temporary_ = target;
    temporary_ += fmt::format(".{}-{}.tmp", ::getpid(), attempt);
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ < 0 && errno != EEXIST) give_up(errno);
  }
  if (!old) return;
  // Only root may give a file away, and few groups may be given it. The mode goes last: a
  // change of owner takes bits away.
  const bool is_given = ::fchown(file_, old->st_uid, old->st_gid) == 0 ||
                        ::fchown(file_, static_cast<uid_t>(-1), old->st_gid) == 0;
  const mode_t kept = is_given ? 07777 : 0707; // another group gets nothing by its bits
  if (::fchmod(file_, old->st_mode & kept & 0777) != 0) give_up(errno);
}

void OutputFile::give_up(int error) const {
  support::fail<FileError>(op_, {}, "{}: cannot be written: {}", path_.string(),
                           std::generic_category().message(error));
}

} // namespace kroton::data
