#include "cache/read_only.hpp"

#include <cerrno>
#include <stdexcept>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "cache/directory.hpp"
#include "cache/layout.hpp"

namespace kroton::cache {

/// The opened directory. Throws when it cannot be opened or is not to be believed.
ReadOnlyDirectory::Directory ReadOnlyDirectory::open() {
  {
    const std::lock_guard lock(mutex_);
    if (directory_) return directory_;
  }
  Fd fd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd)
    throw std::runtime_error(fmt::format(
        "cannot open it: {}; KROTON_CACHE_PATH or CacheOptions::path names it", error_text(errno)));
  struct stat status;
  if (::fstat(fd.get(), &status) != 0)
    throw std::runtime_error(fmt::format("cannot examine it: {}", error_text(errno)));
  if (ownership_ == Ownership::checked)
    if (const std::string why = why_untrusted(path_.string(), status); !why.empty())
      throw std::runtime_error(why);
  auto opened = std::make_shared<const Fd>(std::move(fd));
  const std::lock_guard lock(mutex_);
  if (!directory_) directory_ = std::move(opened);
  return directory_;
}

void ReadOnlyDirectory::forget(const Directory& directory) {
  const std::lock_guard lock(mutex_);
  if (directory_ == directory) directory_ = nullptr;
}

std::optional<std::string> ReadOnlyDirectory::find(std::string_view digest) {
  const std::string path = entry_path(digest);
  const ReadOptions options{.owner = Owner::any};
  Directory directory = open();
  FileBytes file = read_file(directory->get(), path.c_str(), max_bytes_, options);
  if ((file.error == ENOENT || file.error == ESTALE) && is_gone(*directory)) {
    forget(directory);
    directory = open();
    file = read_file(directory->get(), path.c_str(), max_bytes_, options);
  }
  if (ownership_ == Ownership::checked)
    if (const std::string why = why_folders_untrusted(*directory, path_, path); !why.empty())
      throw std::runtime_error(why);
  if (file.is_foreign)
    throw std::runtime_error(path + " is not a file, or too long");
  if (file.error == ENOENT) return {};
  if (file.error != 0)
    throw std::runtime_error(fmt::format("cannot read {}: {}", path, error_text(file.error)));
  if (ownership_ == Ownership::checked)
    if (const std::string why = why_untrusted(path, file.status); !why.empty())
      throw std::runtime_error(why);
  return std::move(file.bytes);
}

} // namespace kroton::cache
