#pragma once
/// Many entries in one file, to carry from one machine to another.
///
///   BundleWriter writer([&](std::string_view bytes) { return write_all(fd, bytes); });
///   for (…) writer.add(entry_file);
///   if (const int error = writer.finish()) …
///
///   BundleReader reader([&](char* to, std::size_t n) { return ::read(fd, to, n); });
///   while (auto entry_file = reader.next()) …
///   if (reader.fault() != BundleFault::none) …         // then believe none of it
///
/// docs/bundle-format.md is the contract of the file.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "lib/support/digest.hpp"

namespace kroton::cache {

/// The version that BundleWriter writes and BundleReader reads.
inline constexpr std::uint32_t bundle_version = 1;

/// Writes a bundle from front to back.
class BundleWriter {
public:
  /// Writes all of the bytes; returns 0 or an errno value.
  using Write = std::function<int(std::string_view)>;

  explicit BundleWriter(Write write);

  /// Adds an entry file as it is; returns 0 or the first errno value there was.
  int add(std::string_view entry);
  /// Writes the end; without it no reader takes the bundle.
  int finish();

private:
  void put(std::string_view bytes);

  Write write_;
  support::Hasher hasher_;
  std::uint64_t count_ = 0;
  int error_ = 0;
};

/// Why bytes are not a bundle.
enum class BundleFault : std::uint8_t {
  none,
  magic,    ///< Not a bundle at all.
  version,  ///< Of another version of the format.
  length,   ///< It ends too early or too late, or an entry is longer than any can be.
  checksum, ///< The content is not what was written.
  reading,  ///< The file could not be read; see `error`.
};

/// "checksum differs", …
std::string_view to_string(BundleFault) noexcept;

/// Reads a bundle from front to back. Only after `next` has returned nothing and `fault` is none is
/// the bundle what its writer wrote. Any bytes may be given; no more memory is taken than one entry
/// has bytes in the file.
class BundleReader {
public:
  /// As read(2): the number of bytes read, 0 at the end, -1 with errno.
  using Read = std::function<ssize_t(char* to, std::size_t most)>;

  explicit BundleReader(Read read);

  /// The next entry file; nothing after the last, and from the first fault on.
  std::optional<std::string> next();

  BundleFault fault() const { return fault_; }
  int error() const { return error_; }

private:
  bool read_magic();
  void read_end();
  ssize_t read_some(char* to, std::size_t most);
  bool read_exactly(std::string& to, std::uint64_t n);

  Read read_;
  support::Hasher hasher_;
  std::uint64_t count_ = 0;
  BundleFault fault_ = BundleFault::none;
  int error_ = 0;
  bool is_started_ = false, is_ended_ = false;
};

} // namespace kroton::cache
