#pragma once
/// Files that have their old content or the new one.
///
///   OutputFile file("save_npy");
///   file.open(path);
///   file.write(bytes, size);
///   file.publish();
#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string_view>

namespace kroton::data {

/// Where arrays are written to. A regular file has its old content or the new one: that is written
/// beside it and renamed once `publish` runs. Anything else is written to as it is. All throw
/// FileError, as `op`.
class OutputFile {
public:
  explicit OutputFile(std::string_view op) : op_(op) {}
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void open(const std::filesystem::path& path);
  void write(const void* bytes, std::size_t size);
  void publish();

private:
  void open_beside(const std::filesystem::path& target, const std::optional<struct stat>& old);
  [[noreturn]] void give_up(int error) const;

  std::string_view op_;
  std::filesystem::path path_;               ///< As the user wrote it.
  std::filesystem::path target_, temporary_; ///< Empty where nothing is renamed.
  int file_ = -1;
  bool is_made_ = false; ///< An empty file, for a link that led to none.
  bool is_published_ = false;
};

} // namespace kroton::data
