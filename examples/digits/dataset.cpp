#include "examples/digits/dataset.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "examples/digits/gzip.hpp"

// Written by embed.py from digits.csv.gz.
extern const unsigned char digits_csv_gz[];
extern const unsigned long digits_csv_gz_size;

namespace digits {
namespace {

using kroton::Array;
namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& message, const std::string& hint = {}) {
  throw kroton::FileError({"data", message, "", hint});
}

constexpr const char* images_suffix = "images-idx3-ubyte";
constexpr const char* labels_suffix = "labels-idx1-ubyte";

struct Pair {
  fs::path images, labels;
};

/// PREFIX + suffix in the directory, plain or .gz; nothing if there is neither.
std::optional<fs::path> find_file(const fs::path& directory, const std::string& name) {
  for (const char* ending : {"", ".gz"})
    if (fs::path path = directory / (name + ending); fs::is_regular_file(path)) return path;
  return std::nullopt;
}

/// All pairs in the directory by prefix, in alphabetical order.
std::vector<std::pair<std::string, Pair>> find_pairs(const fs::path& directory) {
  std::error_code error;
  std::vector<std::string> prefixes;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    for (const std::string ending : {"", ".gz"}) {
      const std::string suffix = images_suffix + ending;
      if (name.ends_with(suffix)) prefixes.push_back(name.substr(0, name.size() - suffix.size()));
    }
  }
  if (error) fail(directory.string() + ": cannot be listed: " + error.message());
  std::sort(prefixes.begin(), prefixes.end());
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());

  std::vector<std::pair<std::string, Pair>> out;
  for (const std::string& prefix : prefixes) {
    const auto images = find_file(directory, prefix + images_suffix);
    const auto labels = find_file(directory, prefix + labels_suffix);
    if (!images) continue;
    if (!labels)
      fail(images->string() + ": has no labels beside it",
           "expected " + prefix + labels_suffix + ", plain or .gz");
    out.emplace_back(prefix, Pair{*images, *labels});
  }
  return out;
}

/// The contents of one IDX file of bytes.
struct Idx {
  std::vector<std::int64_t> dims;
  std::string bytes;
  std::size_t start = 0; ///< Of the elements in `bytes`.
};

Idx read_idx(const fs::path& path, std::size_t rank) {
  Idx out;
  out.bytes = read_maybe_packed(path);
  const auto big_endian = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i)
      value = value << 8 | static_cast<unsigned char>(out.bytes[at + i]);
    return value;
  };
  out.start = 4 + 4 * rank;
  if (out.bytes.size() < out.start)
    fail(path.string() + ": is truncated: " + std::to_string(out.bytes.size()) + " of " +
         std::to_string(out.start) + " bytes of the header are there");
  // Two zero bytes, 8 for unsigned bytes, the rank.
  const std::uint32_t expected = 0x800 + static_cast<std::uint32_t>(rank);
  if (const std::uint32_t magic = big_endian(0); magic != expected)
    fail(path.string() + ": is not an IDX file of rank " + std::to_string(rank) +
         " with unsigned bytes: it begins with " + std::to_string(magic) + ", not " +
         std::to_string(expected));
  std::uint64_t numel = 1;
  bool overflows = false;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    out.dims.push_back(big_endian(4 + 4 * axis));
    overflows |= __builtin_mul_overflow(numel, static_cast<std::uint64_t>(out.dims.back()), &numel);
  }
  if (overflows || out.bytes.size() - out.start < numel)
    fail(path.string() + ": is truncated: " + std::to_string(out.bytes.size() - out.start) +
         " of " + (overflows ? std::string("more than 2^64") : std::to_string(numel)) +
         " bytes are there");
  return out;
}

Dataset read_pair(const Pair& pair) {
  const Idx images = read_idx(pair.images, 3), labels = read_idx(pair.labels, 1);
  const std::int64_t n = images.dims[0], features = images.dims[1] * images.dims[2];
  if (labels.dims[0] != n)
    fail(pair.images.string() + ": has " + std::to_string(n) + " images, but " +
         pair.labels.string() + " has " + std::to_string(labels.dims[0]) + " labels");
  Dataset out{Array::empty<float>({n, features}), Array::empty<std::int32_t>({n}), "", 0};
  const auto* pixels = reinterpret_cast<const unsigned char*>(images.bytes.data() + images.start);
  std::transform(pixels, pixels + n * features, out.images.data<float>(),
                 [](unsigned char pixel) { return static_cast<float>(pixel) / 255.0f; });
  const auto* classes = reinterpret_cast<const unsigned char*>(labels.bytes.data() + labels.start);
  std::copy(classes, classes + n, out.labels.data<std::int32_t>());
  return out;
}

Dataset concatenate(const Dataset& a, const Dataset& b, const Pair& source) {
  if (a.images.dim(1) != b.images.dim(1))
    fail(source.images.string() + ": has images of " + std::to_string(b.images.dim(1)) +
         " pixels, but those for training have " + std::to_string(a.images.dim(1)));
  const std::int64_t n = a.images.dim(0), m = b.images.dim(0);
  Dataset out{Array::empty<float>({n + m, a.images.dim(1)}), Array::empty<std::int32_t>({n + m}),
              "", n};
  copy_elements(out.images.slice(0, 0, n), a.images);
  copy_elements(out.images.slice(0, n), b.images);
  copy_elements(out.labels.slice(0, 0, n), a.labels);
  copy_elements(out.labels.slice(0, n), b.labels);
  return out;
}

/// The images and labels at `rows`, in that order.
Dataset take(const Dataset& from, const std::vector<std::int64_t>& rows, const std::string& part) {
  const auto n = static_cast<std::int64_t>(rows.size()), features = from.images.dim(1);
  Dataset out{Array::empty<float>({n, features}), Array::empty<std::int32_t>({n}),
              from.name + ", " + part, 0};
  const Array images = from.images.contiguous(), labels = from.labels.contiguous();
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t row = rows[static_cast<std::size_t>(i)];
    std::copy_n(images.data<float>() + row * features, features,
                out.images.data<float>() + i * features);
    out.labels.data<std::int32_t>()[i] = labels.data<std::int32_t>()[row];
  }
  return out;
}

/// Fisher and Yates's shuffle. `std::shuffle` and the standard distributions differ between
/// standard libraries; the engine does not. The modulo's bias, below 2^-40 here, does not matter.
void shuffle(std::span<std::int64_t> rows, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random() % i]);
}

} // namespace

Dataset load_embedded_digits() {
  const std::string text = unpack({digits_csv_gz, digits_csv_gz_size}, "embedded digits");
  constexpr std::int64_t features = 64;
  std::vector<float> images;
  std::vector<std::int32_t> labels;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::int64_t column = 0; at < end; column = (column + 1) % (features + 1)) {
    int value = 0;
    const auto [after, error] = std::from_chars(at, end, value);
    const char separator = column == features ? '\n' : ',';
    if (error != std::errc() || after == end || *after != separator)
      fail("embedded digits: line " + std::to_string(labels.size() + 1) + " is not 65 numbers");
    if (column == features)
      labels.push_back(value);
    else
      images.push_back(static_cast<float>(value) / 16.0f);
    at = after + 1;
  }
  const auto n = static_cast<std::int64_t>(labels.size());
  return {Array::from(images, {n, features}), Array::from(labels), "embedded digits", 0};
}

Dataset load_idx(const fs::path& directory) {
  const auto pairs = find_pairs(directory);
  const auto find = [&](std::string_view prefix) {
    return std::find_if(pairs.begin(), pairs.end(),
                        [&](const auto& pair) { return pair.first == prefix; });
  };
  const auto train = find("train-"), test = find("t10k-");
  Dataset out;
  if (train != pairs.end() && test != pairs.end())
    out = concatenate(read_pair(train->second), read_pair(test->second), test->second);
  else if (pairs.size() == 1)
    out = read_pair(pairs[0].second);
  else if (pairs.empty())
    fail(directory.string() + ": holds no images",
         "expected *images-idx3-ubyte and *labels-idx1-ubyte, plain or .gz");
  else
    fail(directory.string() + ": holds " + std::to_string(pairs.size()) +
             " pairs of images and labels",
         "expected one pair, or train-* and t10k-*");
  out.name = directory.string();
  return out;
}

Split split(const Dataset& dataset, double train_fraction, std::uint64_t seed) {
  const std::int64_t n = dataset.images.dim(0);
  const auto wanted =
      static_cast<std::int64_t>(std::llround(static_cast<double>(n) * train_fraction));
  const std::int64_t cut = dataset.train_size != 0 ? dataset.train_size : wanted;
  if (cut < 1 || cut >= n)
    throw kroton::ShapeError({"split",
                              dataset.name + " has " + std::to_string(n) + " images, of which " +
                                  std::to_string(cut) + " would be for training",
                              "", "both parts need at least one"});
  std::vector<std::int64_t> rows(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) rows[static_cast<std::size_t>(i)] = i;
  const auto first_cut = static_cast<std::size_t>(cut);
  shuffle(std::span(rows).first(dataset.train_size != 0 ? first_cut : rows.size()), seed);
  return {take(dataset, {rows.begin(), rows.begin() + cut}, "training part"),
          take(dataset, {rows.begin() + cut, rows.end()}, "test part")};
}

} // namespace digits
