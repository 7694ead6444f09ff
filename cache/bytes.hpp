#pragma once
/// Integers and lengths in files: little-endian, and never believed further than there are bytes.
///
///   append_integer(out, length, 8);
///   ByteReader reader(file);
///   const auto name = reader.take(reader.take_integer(4));
///   if (reader.is_beyond()) …                // once, after several reads
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kroton::cache {

/// Appends `bytes` bytes of `value`, lowest first.
inline void append_integer(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8 * i)) & 0xff);
}

/// Walks over bytes from front to back. A read beyond the end gives zero or nothing and is
/// remembered, so that a caller may check once after several reads.
class ByteReader {
public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  std::string_view take(std::uint64_t length) {
    if (length > rest_.size()) {
      is_beyond_ = true;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }

  std::uint64_t take_integer(int bytes) {
    std::uint64_t value = 0;
    int shift = 0;
    for (const char c : take(static_cast<std::uint64_t>(bytes))) {
      value |= std::uint64_t{static_cast<unsigned char>(c)} << shift;
      shift += 8;
    }
    return value;
  }

  std::size_t left() const { return rest_.size(); }
  bool is_beyond() const { return is_beyond_; }

private:
  std::string_view rest_;
  bool is_beyond_ = false;
};

} // namespace kroton::cache
