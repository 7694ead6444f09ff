/// The safetensors format: eight bytes, the size of a header; the header, JSON; the elements.
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <system_error>

#include <kroton/safetensors.hpp>

#include "lib/data/output_file.hpp"
#include "lib/data/strided.hpp"
#include "lib/support/error.hpp"
#include "lib/support/truth.hpp"

namespace kroton {
namespace {

using support::fail;

constexpr const char* reads = "load_safetensors";

/// "F32", "BOOL": names of dtypes in capitals.
std::string code_of(DType dtype) {
  std::string code(to_string(dtype));
  for (char& c : code) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return code;
}

/// An array as the header describes it.
struct Entry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::uint64_t begin = 0, end = 0;
};

/// Reads the header, and nothing that is not one.
class HeaderReader {
public:
  HeaderReader(std::string_view text, const std::string& file) : rest_(text), file_(file) {}

  std::vector<Entry> read() {
    std::vector<Entry> entries;
    std::set<std::string> names;
    expect('{');
    if (!accept('}')) {
      do {
        std::string name = string();
        expect(':');
        if (!names.insert(name).second) bad("it has a name twice");
        if (name == "__metadata__")
          skip_metadata();
        else
          entries.push_back(entry(std::move(name)));
      } while (accept(','));
      expect('}');
    }
    skip_spaces();
    if (!rest_.empty()) bad("something follows it");
    return entries;
  }

private:
  [[noreturn]] void bad(std::string_view why) const {
    fail<FileError>(reads,
                    {.hint = "safetensors.numpy.save_file and save_safetensors write such files"},
                    "{}: the header is not one of safetensors: {}", file_, why);
  }
  void skip_spaces() {
    while (!rest_.empty() &&
           (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t' || rest_[0] == '\r'))
      rest_.remove_prefix(1);
  }
  bool accept(char c) {
    skip_spaces();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) bad(fmt::format("a {} is missing", c));
  }

  std::uint64_t number() {
    skip_spaces();
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) bad("a size or position is no number");
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }
  std::vector<std::uint64_t> numbers() {
    std::vector<std::uint64_t> all;
    expect('[');
    if (accept(']')) return all;
    do {
      all.push_back(number());
    } while (accept(','));
    expect(']');
    return all;
  }

  std::uint32_t code_unit() {
    std::uint32_t unit = 0;
    if (rest_.size() < 4) bad("an escape is cut off");
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + 4, unit, 16);
    if (error != std::errc() || end != rest_.data() + 4) bad("an escape is none");
    rest_.remove_prefix(4);
    return unit;
  }
  void add_escaped(std::string& to) {
    if (rest_.empty()) bad("a string is cut off");
    const char c = rest_[0];
    rest_.remove_prefix(1);
    constexpr std::string_view plain = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    if (const std::size_t at = plain.find(c); at != plain.npos) {
      to += meant[at];
      return;
    }
    if (c != 'u') bad("an escape is none");
    std::uint32_t point = code_unit();
    if (point >= 0xD800 && point < 0xDC00) { // the first of a pair
      if (!rest_.starts_with("\\u")) bad("half a character");
      rest_.remove_prefix(2);
      const std::uint32_t low = code_unit();
      if (low < 0xDC00 || low >= 0xE000) bad("half a character");
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    } else if (point >= 0xDC00 && point < 0xE000)
      bad("half a character");
    const auto byte = [&](std::uint32_t bits) { to += static_cast<char>(bits); };
    if (point < 0x80) return byte(point);
    if (point < 0x800)
      byte(0xC0 | point >> 6);
    else if (point < 0x10000) {
      byte(0xE0 | point >> 12);
      byte(0x80 | (point >> 6 & 0x3F));
    } else {
      byte(0xF0 | point >> 18);
      byte(0x80 | (point >> 12 & 0x3F));
      byte(0x80 | (point >> 6 & 0x3F));
    }
    byte(0x80 | (point & 0x3F));
  }
  std::string string() {
    std::string text;
    expect('"');
    while (!rest_.starts_with('"')) {
      if (rest_.empty()) bad("a string is cut off");
      const char c = rest_[0];
      rest_.remove_prefix(1);
      if (c == '\\')
        add_escaped(text);
      else
        text += c;
    }
    rest_.remove_prefix(1);
    return text;
  }

  /// Strings by name, which are nothing to us.
  void skip_metadata() {
    expect('{');
    if (accept('}')) return;
    do {
      string();
      expect(':');
      string();
    } while (accept(','));
    expect('}');
  }

  Entry entry(std::string name) {
    Entry e{.name = std::move(name)};
    bool has_dtype = false, has_shape = false, has_place = false;
    expect('{');
    do {
      const std::string key = string();
      expect(':');
      if (key == "dtype") {
        e.dtype = dtype(e.name);
        has_dtype = true;
      } else if (key == "shape") {
        for (const std::uint64_t n : numbers()) {
          if (n > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
            bad("a size is too large");
          e.shape.push_back(static_cast<std::int64_t>(n));
        }
        has_shape = true;
      } else if (key == "data_offsets") {
        const std::vector<std::uint64_t> place = numbers();
        if (place.size() != 2 || place[0] > place[1]) bad("a place is none");
        e.begin = place[0];
        e.end = place[1];
        has_place = true;
      } else
        bad("an array has a field that is unknown");
    } while (accept(','));
    expect('}');
    if (!has_dtype || !has_shape || !has_place) bad("an array lacks its dtype, shape or place");
    return e;
  }
  DType dtype(const std::string& name) {
    const std::string code = string();
    for (const DTypeRow& row : dtype_rows)
      if (code_of(row.dtype) == code) return row.dtype;
    fail<FileError>(reads, {.hint = "convert it before it is saved"},
                    "{}: array {} has elements of type {}, for which there is no dtype", file_,
                    name, code);
  }

  std::string_view rest_;
  const std::string& file_;
};

/// The bytes of an array, if an int64 counts them.
std::optional<std::uint64_t> nbytes_of(const Entry& e) {
  std::int64_t nbytes = static_cast<std::int64_t>(item_size(e.dtype));
  bool is_empty = false;
  for (const std::int64_t dim : e.shape) {
    is_empty = is_empty || dim == 0;
    if (dim != 0 && __builtin_mul_overflow(nbytes, dim, &nbytes)) return {};
  }
  return is_empty ? 0 : static_cast<std::uint64_t>(nbytes);
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", c);
    else
      out += c;
  }
  return out + '"';
}

} // namespace

NamedArrays load_safetensors(const std::string& file) {
  const std::filesystem::path path(file);
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    fail<FileError>(reads, {}, "{}: is a directory", file);
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in)
    fail<FileError>(reads, {}, "{}: cannot be read: {}", file,
                    std::generic_category().message(errno));
  const std::uintmax_t on_disk = std::filesystem::file_size(path, error);
  if (error) fail<FileError>(reads, {}, "{}: is no regular file", file);

  std::uint64_t header_size = 0;
  const auto read = [&](void* to, std::uint64_t size, std::string_view what) {
    in.read(static_cast<char*>(to), static_cast<std::streamsize>(size));
    if (static_cast<std::uint64_t>(in.gcount()) != size)
      fail<FileError>(reads, {}, "{}: is truncated: {} of {} bytes of {} are there", file,
                      in.gcount(), size, what);
  };
  read(&header_size, sizeof header_size, "the header's size");
  constexpr std::uint64_t most_of_header = 100'000'000; // as other readers have it
  if (header_size > most_of_header || header_size > on_disk - sizeof header_size)
    fail<FileError>(reads, {}, "{}: claims a header of {} bytes in a file of {}", file, header_size,
                    on_disk);
  std::string text(static_cast<std::size_t>(header_size), '\0');
  read(text.data(), header_size, "the header");
  std::vector<Entry> entries = HeaderReader(text, file).read();
  std::ranges::stable_sort(entries, {}, &Entry::begin);

  const std::uint64_t start = sizeof header_size + header_size, there = on_disk - start;
  NamedArrays arrays;
  for (const Entry& e : entries) {
    const std::string label = fmt::format("{} {}", e.name, data::label(e.dtype, e.shape));
    const std::optional<std::uint64_t> nbytes = nbytes_of(e);
    if (e.end > there || !nbytes || *nbytes != e.end - e.begin)
      fail<FileError>(reads, {}, "{}: {} has bytes {} to {} of {}", file, label, e.begin, e.end,
                      there);
    Array array;
    try {
      array = Array::empty(e.dtype, e.shape, Location{});
    } catch (const DeviceError&) {
      fail<FileError>(reads, {}, "{}: there is no memory for the {} bytes of {}", file, *nbytes,
                      label);
    }
    in.seekg(static_cast<std::streamoff>(start + e.begin));
    read(array.raw(), *nbytes, label);
    if (is_bool(e.dtype)) support::make_truth_values(array.raw(), array.nbytes());
    arrays.emplace_back(e.name, std::move(array));
  }
  return arrays;
}

void save_safetensors(const std::string& path, const NamedArrays& arrays) {
  constexpr const char* op = "save_safetensors";
  std::set<std::string> names;
  std::vector<Array> dense;
  std::string header = "{";
  std::uint64_t at = 0;
  for (const auto& [name, array] : arrays) {
    if (name.empty() || name == "__metadata__")
      fail<GraphError>(op, {.hint = "name it, as in shared(value, \"w\")"}, "{} for {}",
                       name.empty() ? "no name" : "no array may be named __metadata__",
                       array.label());
    if (!names.insert(name).second)
      fail<GraphError>(op, {.hint = "give each array its own name"}, "two arrays are named {}",
                       name);
    const Array host = array.to_host(Location{});
    dense.push_back(is_bool(host.dtype()) ? host.copy(Location{})
                                          : host.contiguous(Location{})); // 0 and 1 alone
    const std::uint64_t end = at + dense.back().nbytes();
    header += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          header.size() > 1 ? "," : "", json_string(name), code_of(array.dtype()),
                          fmt::join(array.shape(), ","), at, end);
    at = end;
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' '); // elements begin at a multiple of eight
  const std::uint64_t header_size = header.size();
  data::OutputFile file(op);
  file.open(path);
  file.write(&header_size, sizeof header_size);
  file.write(header.data(), header.size());
  for (const Array& a : dense) file.write(a.raw(), a.nbytes());
  file.publish();
}

} // namespace kroton
