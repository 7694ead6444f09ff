#include "cache/bundle.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include "cache/bytes.hpp"
#include "cache/entry.hpp"

namespace kroton::cache {
namespace {

constexpr std::string_view magic = "KROTBN\x1a\n";
constexpr std::uint64_t checksum_bytes = sizeof(support::Digest::bytes);

std::string_view bytes_of(const support::Digest& digest) {
  return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
}

std::uint64_t integer_of(std::string_view bytes) {
  return ByteReader(bytes).take_integer(static_cast<int>(bytes.size()));
}

} // namespace

BundleWriter::BundleWriter(Write write) : write_(std::move(write)) {
  std::string head(magic);
  append_integer(head, bundle_version, 4);
  put(head);
}

int BundleWriter::add(std::string_view entry) {
  std::string length;
  append_integer(length, entry.size(), 8);
  put(length);
  put(entry);
  ++count_;
  return error_;
}

int BundleWriter::finish() {
  std::string end;
  append_integer(end, 0, 8);
  append_integer(end, count_, 8);
  put(end);
  put(bytes_of(hasher_.digest()));
  return error_;
}

void BundleWriter::put(std::string_view bytes) {
  if (error_ == 0) error_ = write_(bytes);
  hasher_.add(bytes);
}

std::string_view to_string(BundleFault fault) noexcept {
  switch (fault) {
  case BundleFault::none:
    return "no fault";
  case BundleFault::magic:
    return "not a bundle of Kroton's cache entries";
  case BundleFault::version:
    return "another version of the format";
  case BundleFault::length:
    return "it ends too early or too late";
  case BundleFault::checksum:
    return "checksum differs";
  case BundleFault::reading:
    return "it cannot be read";
  }
  return "unknown fault";
}

BundleReader::BundleReader(Read read) : read_(std::move(read)) {}

std::optional<std::string> BundleReader::next() {
  if (fault_ != BundleFault::none || is_ended_) return {};
  if (!is_started_ && !read_magic()) return {};
  is_started_ = true;

  std::string length_bytes, entry;
  if (!read_exactly(length_bytes, 8)) return {};
  const std::uint64_t length = integer_of(length_bytes);
  if (length == 0) {
    read_end();
    return {};
  }
  if (length > max_entry_bytes) {
    fault_ = BundleFault::length;
    return {};
  }
  if (!read_exactly(entry, length)) return {};
  ++count_;
  return entry;
}

bool BundleReader::read_magic() {
  std::string head;
  if (!read_exactly(head, magic.size() + 4)) {
    // What is too short to be a bundle is first of all none.
    if (fault_ == BundleFault::length) fault_ = BundleFault::magic;
    return false;
  }
  if (!head.starts_with(magic))
    fault_ = BundleFault::magic;
  else if (integer_of(head.substr(magic.size())) != bundle_version)
    fault_ = BundleFault::version;
  return fault_ == BundleFault::none;
}

void BundleReader::read_end() {
  std::string count, checksum;
  std::array<char, 1> beyond{};
  if (!read_exactly(count, 8)) return;
  const support::Digest expected = hasher_.digest();
  if (!read_exactly(checksum, checksum_bytes)) return;
  if (checksum != bytes_of(expected) || integer_of(count) != count_) {
    fault_ = BundleFault::checksum;
    return;
  }
  const ssize_t got = read_some(beyond.data(), beyond.size());
  if (got != 0) fault_ = got < 0 ? BundleFault::reading : BundleFault::length;
  is_ended_ = true;
}

ssize_t BundleReader::read_some(char* to, std::size_t most) {
  ssize_t got;
  do {
    got = read_(to, most);
  } while (got < 0 && errno == EINTR);
  if (got < 0) error_ = errno;
  return got;
}

/// Grows `to` as bytes arrive, so that a length that is a lie takes no memory.
bool BundleReader::read_exactly(std::string& to, std::uint64_t n) {
  constexpr std::uint64_t step = std::uint64_t{1} << 20;
  while (to.size() < n) {
    const std::size_t done = to.size();
    const std::size_t wanted = std::min(n - done, step);
    to.resize(done + wanted);
    const ssize_t got = read_some(to.data() + done, wanted);
    to.resize(done + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got > 0) continue;
    fault_ = got < 0 ? BundleFault::reading : BundleFault::length;
    return false;
  }
  hasher_.add(to);
  return true;
}

} // namespace kroton::cache
