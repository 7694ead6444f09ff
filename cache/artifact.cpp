#include "cache/artifact.hpp"

#include <algorithm>

#include <zlib.h>

#include "lib/support/error.hpp"

namespace kroton::cache {
namespace {

/// Deflate makes at most 1,032 bytes of one, so a longer content is a lie about it.
constexpr std::uint64_t max_expansion = 1032;

Bytef* as_bytes(std::string& text) { return reinterpret_cast<Bytef*>(text.data()); }
const Bytef* as_bytes(std::string_view text) { return reinterpret_cast<const Bytef*>(text.data()); }

} // namespace

Section compressed(std::string name, std::string_view content) {
  uLongf nbytes = ::compressBound(content.size());
  std::string bytes(nbytes, '\0');
  const int status = ::compress2(as_bytes(bytes), &nbytes, as_bytes(content), content.size(),
                                 Z_DEFAULT_COMPRESSION);
  if (status != Z_OK || nbytes >= content.size())
    return {std::move(name), std::string(content), Encoding::plain, 0};
  bytes.resize(nbytes);
  return {std::move(name), std::move(bytes), Encoding::zlib, content.size()};
}

std::optional<std::string> content_of(const Section& section) {
  if (section.encoding == Encoding::plain) return section.bytes;
  if (section.content_nbytes / max_expansion > section.bytes.size()) return {};
  std::string content(section.content_nbytes, '\0');
  uLongf nbytes = content.size();
  uLong used = section.bytes.size();
  const int status = ::uncompress2(as_bytes(content), &nbytes, as_bytes(section.bytes), &used);
  if (status != Z_OK || nbytes != content.size() || used != section.bytes.size()) return {};
  return content;
}

const Section* Artifact::find(std::string_view name) const {
  const auto found = std::find_if(sections.begin(), sections.end(),
                                  [&](const Section& section) { return section.name == name; });
  return found == sections.end() ? nullptr : &*found;
}

std::uint64_t Artifact::nbytes() const {
  std::uint64_t sum = 0;
  for (const Section& section : sections) sum += section.bytes.size();
  return sum;
}

} // namespace kroton::cache
