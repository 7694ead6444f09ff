#include <kroton/npy.hpp>

#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <system_error>

#include "lib/data/output_file.hpp"
#include "lib/data/strided.hpp"
#include "lib/support/error.hpp"
#include "lib/support/truth.hpp"

namespace kroton {
namespace {

static_assert(std::endian::native == std::endian::little,
              "elements are read and written as they lie");

using support::fail;

constexpr std::string_view magic = "\x93NUMPY";

struct Header {
  DType dtype = DType::f32;
  bool is_fortran = false;
  Shape shape;
};

/// What a file says, for a message: at most a few lines, and nothing that a terminal obeys.
std::string printable(std::string_view text) {
  constexpr std::size_t most = 300;
  std::string out;
  for (const char c : text.substr(0, most)) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x20 && code < 0x7f)
      out += c;
    else
      out += fmt::format("\\x{:02x}", code);
  }
  return text.size() > most ? out + "…" : out;
}

/// Reads the header: a Python dict literal such as
/// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
class HeaderReader {
public:
  HeaderReader(std::string_view text, std::string_view file)
      : text_(text), rest_(text), file_(file) {}

  Header read() {
    Header header;
    bool has_descr = false, has_order = false, has_shape = false;
    expect("{");
    while (!accept("}")) {
      const std::string_view key = quoted();
      expect(":");
      if (key == "descr") {
        header.dtype = descr();
        has_descr = true;
      } else if (key == "fortran_order") {
        header.is_fortran = accept("True");
        if (!header.is_fortran) expect("False");
        has_order = true;
      } else if (key == "shape") {
        header.shape = shape();
        has_shape = true;
      } else
        bad();
      if (!accept(",")) {
        expect("}");
        break;
      }
    }
    skip_spaces();
    if (!has_descr || !has_order || !has_shape || !rest_.empty()) bad();
    return header;
  }

private:
  [[noreturn]] void bad() const {
    std::string_view shown = text_;
    while (!shown.empty() && (shown.back() == ' ' || shown.back() == '\n')) shown.remove_suffix(1);
    fail<FileError>("load_npy", {}, "{}: the header is not one that NumPy writes: {}", file_,
                    printable(shown));
  }
  void skip_spaces() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t'))
      rest_.remove_prefix(1);
  }
  bool accept(std::string_view token) {
    skip_spaces();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) bad();
  }
  std::string_view quoted() {
    skip_spaces();
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) bad();
    const std::size_t end = rest_.find(rest_[0], 1);
    if (end == rest_.npos) bad();
    const std::string_view out = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return out;
  }
  DType descr() {
    skip_spaces();
    if (rest_.starts_with("["))
      fail<FileError>("load_npy", {.hint = "save one array per field"},
                      "{}: holds a structured array, not one of numbers", file_);
    const std::string_view descr = quoted();
    const char order = descr.empty() ? '\0' : descr[0];
    const std::string_view code = descr.substr(std::min<std::size_t>(1, descr.size()));
    for (const DTypeRow& type : dtype_rows) {
      if (type.npy_code != code) continue;
      if (order == '<' || order == '|' || order == '=') return type.dtype;
      if (order == '>')
        fail<FileError>("load_npy", {.hint = fmt::format("save it with array.astype('<{}')", code)},
                        "{}: holds big-endian elements ('{}'); only little-endian ones are read",
                        file_, printable(descr));
    }
    if (order == '|' && code == "O")
      fail<FileError>("load_npy",
                      {.hint = "save it with a number dtype, such as array.astype('f4')"},
                      "{}: holds Python objects ('|O'), which only Python reads", file_);
    fail<FileError>("load_npy", {.hint = "save it as bool, an integer, f4 or f8"},
                    "{}: holds elements of type '{}', for which there is no dtype", file_,
                    printable(descr));
  }
  Shape shape() {
    Shape out;
    expect("(");
    while (!accept(")")) {
      skip_spaces();
      std::int64_t dim = -1;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), dim);
      if (error != std::errc() || dim < 0) bad();
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      out.push_back(dim);
      if (!accept(",")) {
        expect(")");
        break;
      }
    }
    return out;
  }

  std::string_view text_;
  std::string_view rest_;
  std::string_view file_;
};

std::string reason(int error) { return std::generic_category().message(error); }

/// Reads exactly `size` bytes; `what` and the counts are in the error.
void read_exactly(std::ifstream& in, void* to, std::uint64_t size, std::string_view what,
                  const std::string& file) {
  in.read(static_cast<char*>(to), static_cast<std::streamsize>(size));
  const auto got = static_cast<std::uint64_t>(in.gcount());
  if (got != size)
    fail<FileError>("load_npy", {}, "{}: is truncated: {} of {} bytes of {} are there", file, got,
                    size, what);
}

/// The elements' bytes, if an array may have so many: what counts for that are the axes that are
/// not empty, as for every array.
std::optional<std::uint64_t> nbytes_of(const Header& header) {
  std::int64_t nbytes = static_cast<std::int64_t>(item_size(header.dtype));
  bool is_empty = false;
  for (const std::int64_t dim : header.shape) {
    is_empty |= dim == 0;
    if (dim != 0 && __builtin_mul_overflow(nbytes, dim, &nbytes)) return {};
  }
  return is_empty ? 0 : static_cast<std::uint64_t>(nbytes);
}

Array empty_array(DType dtype, const Shape& shape, std::uint64_t nbytes, const std::string& claimed,
                  const std::string& file) {
  try {
    return Array::empty(dtype, shape, Location{});
  } catch (const DeviceError&) {
    fail<FileError>("load_npy", {}, "{}: there is no memory for the {} bytes of {}", file, nbytes,
                    claimed);
  }
}

std::string make_header(const Array& array) {
  const std::string_view code = row_of(array.dtype()).npy_code;
  const std::string shape = array.rank() == 1 ? fmt::format("({},)", array.dim(0))
                                              : fmt::format("({})", fmt::join(array.shape(), ", "));
  std::string dict = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': {}, }}",
                                 item_size(array.dtype()) == 1 ? '|' : '<', code, shape);
  // The format wants the elements aligned to 64 bytes, and a newline before them.
  const std::size_t prefix = magic.size() + 4;
  dict.append(63 - (prefix + dict.size()) % 64, ' ');
  dict.push_back('\n');
  std::string out(magic);
  out +=
      {'\x01', '\x00', static_cast<char>(dict.size() & 0xff), static_cast<char>(dict.size() >> 8)};
  return out + dict;
}

} // namespace

Array load_npy(const std::string& file) {
  const std::filesystem::path path(file);
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    fail<FileError>("load_npy", {}, "{}: is a directory", file);
  if (!in) fail<FileError>("load_npy", {}, "{}: cannot be read: {}", file, reason(errno));

  unsigned char start[8] = {};
  in.read(reinterpret_cast<char*>(start), sizeof start);
  if (std::memcmp(start, magic.data(),
                  std::min<std::size_t>(magic.size(), static_cast<std::size_t>(in.gcount()))) !=
          0 ||
      in.gcount() == 0)
    fail<FileError>("load_npy",
                    {.hint = "numpy.save writes such files; an .npz is a zip of several"},
                    "{}: is not an .npy file: it does not begin with \\x93NUMPY", file);
  if (in.gcount() != sizeof start)
    fail<FileError>("load_npy", {}, "{}: is truncated: {} of 8 bytes of the preamble are there",
                    file, in.gcount());
  const int major = start[6], minor = start[7];
  if (major < 1 || major > 3 || minor != 0)
    fail<FileError>("load_npy", {}, "{}: has format version {}.{}; 1.0, 2.0 and 3.0 are read", file,
                    major, minor);

  unsigned char size_bytes[4] = {};
  read_exactly(in, size_bytes, major == 1 ? 2 : 4, "the header's size", file);
  const std::uint32_t header_size = static_cast<std::uint32_t>(size_bytes[0]) | size_bytes[1] << 8 |
                                    size_bytes[2] << 16 |
                                    static_cast<std::uint32_t>(size_bytes[3]) << 24;
  // A header of this dtype set needs far less; without a bound a damaged size would allocate 4 GiB.
  constexpr std::uint32_t header_limit = 1 << 20;
  if (header_size > header_limit)
    fail<FileError>("load_npy", {},
                    "{}: claims a header of {} bytes, which no array of numbers needs", file,
                    header_size);
  std::string text(header_size, '\0');
  read_exactly(in, text.data(), header_size, "the header", file);
  const Header header = HeaderReader(text, file).read();

  Shape memory_shape = header.shape;
  if (header.is_fortran) std::reverse(memory_shape.begin(), memory_shape.end());
  // Checked before anything of that size is allocated; a pipe has no size to check.
  const std::string claimed = printable(data::label(header.dtype, header.shape));
  const auto nbytes = nbytes_of(header);
  if (!nbytes)
    fail<FileError>("load_npy", {}, "{}: claims {}, which no file can hold", file, claimed);
  const std::uintmax_t on_disk = std::filesystem::file_size(path, error);
  if (!error) {
    const std::uintmax_t got = on_disk - static_cast<std::uintmax_t>(in.tellg());
    if (got < *nbytes)
      fail<FileError>("load_npy", {}, "{}: is truncated: {} of {} bytes of {} are there", file, got,
                      *nbytes, claimed);
  }
  Array out = empty_array(header.dtype, memory_shape, *nbytes, claimed, file);
  read_exactly(in, out.raw(), out.nbytes(), claimed, file);
  if (is_bool(header.dtype)) support::make_truth_values(out.raw(), out.nbytes());
  return header.is_fortran ? out.transpose() : out;
}

void save_npy(const std::string& path, const Array& array) {
  const Array host = array.to_host(Location{});
  const Array dense =
      is_bool(host.dtype()) ? host.copy(Location{}) : host.contiguous(Location{}); // 0 and 1 alone
  const std::string header = make_header(dense);
  data::OutputFile file("save_npy");
  file.open(path);
  file.write(header.data(), header.size());
  file.write(dense.raw(), dense.nbytes());
  file.publish();
}

} // namespace kroton
