#pragma once
/// What the tests of the store share: keys, artifacts, and the log as text.
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/sinks/ostream_sink.h>

#include "cache/store.hpp"
#include "lib/support/log.hpp"
#include "test/support/temp_dir.hpp"

namespace kroton::test {

inline cache::Key key_of(std::string_view source) {
  return cache::KeyBuilder{"kernel/1"}.add("source", source).build();
}

inline cache::Artifact artifact_of(std::string bytes) { return {{{"object", std::move(bytes)}}}; }

inline std::filesystem::path entry_path(const std::filesystem::path& dir, const cache::Key& key) {
  const std::string hex = key.digest.hex();
  return dir / "v2" / hex.substr(0, 2) / (hex + ".kro");
}

/// A store whose every lookup goes to disk.
inline cache::Store::Options disk_options(const std::filesystem::path& dir) {
  return {.directory = dir, .max_memory_bytes = 0};
}

inline std::size_t count_files(const std::filesystem::path& dir) {
  std::error_code error;
  std::size_t n = 0;
  for (const auto& item : std::filesystem::recursive_directory_iterator(dir, error))
    n += item.is_regular_file() || item.is_symlink();
  return n;
}

/// Catches what the cache logs instead of printing it.
class CapturedLog {
public:
  CapturedLog() : sinks_(std::move(logger()->sinks())) {
    logger()->sinks() = {std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)};
  }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;
  ~CapturedLog() { logger()->sinks() = std::move(sinks_); }

  std::string text() const { return text_.str(); }

private:
  static spdlog::logger* logger() { return support::log(support::Area::cache); }

  std::ostringstream text_;
  std::vector<spdlog::sink_ptr> sinks_;
};

} // namespace kroton::test
