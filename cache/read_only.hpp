#pragma once
/// A level in a directory that somebody else fills: a network file system, or a folder of an image.
/// It has the layout of a user's directory, and nothing is ever written to it.
///
///   ReadOnlyDirectory level("/opt/model/kernels", Ownership::checked);
///   std::optional<std::string> entry = level.find(digest_hex);
#include <filesystem>
#include <memory>

#include <kroton/cache.hpp>

#include "cache/entry.hpp"
#include "cache/file.hpp"
#include "lib/support/fork.hpp"

namespace kroton::cache {

enum class Ownership {
  any,     ///< Entries show by their signatures where they come from.
  checked, ///< The directory and its entries must be root's or the user's, and writable by nobody
           ///< else.
};

class ReadOnlyDirectory final : public CacheLevel {
public:
  /// Touches no file: the directory is opened by the first lookup, and again after it was away.
  ReadOnlyDirectory(std::filesystem::path path, Ownership ownership,
                    std::uint64_t max_bytes = max_entry_bytes)
      : path_(std::move(path)), ownership_(ownership), max_bytes_(max_bytes) {}

  /// Throws std::runtime_error for anything but a whole regular file of no more than that length,
  /// or none. Takes as long as the file system does: see bounded_level.hpp.
  std::optional<std::string> find(std::string_view digest) override;
  void publish(std::string_view, std::string_view) override {}
  std::string describe() const override { return path_.string(); }

private:
  using Directory = std::shared_ptr<const Fd>;
  Directory open();
  void forget(const Directory&);

  const std::filesystem::path path_;
  const Ownership ownership_;
  const std::uint64_t max_bytes_;
  support::ForkMutex mutex_; // of what is below
  Directory directory_;
};

} // namespace kroton::cache
