#include "examples/digits/gzip.hpp"

#include <zlib.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

#include <kroton/error.hpp>

namespace digits {
namespace {

[[noreturn]] void fail(std::string_view name, const std::string& problem) {
  throw kroton::FileError({"data", std::string(name) + ": " + problem, "", ""});
}

/// zlib's state, released however the loop ends.
struct Inflater {
  z_stream stream{};
  // 16 asks for a gzip frame with its checksum.
  Inflater() { is_ready = inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK; }
  ~Inflater() {
    if (is_ready) inflateEnd(&stream);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  bool is_ready = false;
};

} // namespace

std::string unpack(std::span<const unsigned char> packed, std::string_view name) {
  Inflater inflater;
  if (!inflater.is_ready) fail(name, "zlib has no memory to unpack it");
  z_stream& stream = inflater.stream;
  // zlib does not write to its input, whose type is older than const. Data of 4 GiB and more would
  // need several calls; no set of digits comes near.
  stream.next_in = const_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  int status = Z_OK;
  do {
    const std::size_t before = out.size();
    const std::size_t room = std::max<std::size_t>(std::size_t{1} << 16, before);
    out.resize(before + room);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(room);
    status = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    // A file may hold several frames, one after the other.
    if (status == Z_STREAM_END && stream.avail_in != 0 && inflateReset(&stream) == Z_OK)
      status = Z_OK;
  } while (status == Z_OK);
  if (status == Z_BUF_ERROR) fail(name, "the gzip data ends too early");
  if (status != Z_STREAM_END)
    fail(name, std::string("the gzip data is damaged") +
                   (stream.msg != nullptr ? std::string(": ") + stream.msg : ""));
  return out;
}

std::string read_maybe_packed(const std::filesystem::path& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(path.string(), "cannot be read: " + std::generic_category().message(errno));
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const bool is_packed = bytes.starts_with("\x1f\x8b");
  if (!is_packed) return bytes;
  return unpack({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()},
                path.string());
}

} // namespace digits
