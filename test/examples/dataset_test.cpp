#include "examples/digits/dataset.hpp"

#include <zlib.h>

#include <algorithm>

#include "examples/digits/gzip.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

using namespace kroton;
using test::TempDir;

namespace {

std::string big_endian(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
  return out;
}

std::string idx(std::uint32_t magic, const std::vector<std::uint32_t>& dims,
                const std::string& elements) {
  std::string out = big_endian(magic);
  for (std::uint32_t dim : dims) out += big_endian(dim);
  return out + elements;
}

/// n images of 1×2, whose pixels are first, first + 1, …
std::string images(std::uint32_t n, char first = 0) {
  std::string elements;
  for (std::uint32_t i = 0; i < 2 * n; ++i)
    elements += static_cast<char>(first + static_cast<char>(i));
  return idx(2051, {n, 1, 2}, elements);
}
std::string labels(const std::string& classes) {
  return idx(2049, {static_cast<std::uint32_t>(classes.size())}, classes);
}

std::string packed(const std::string& text) {
  std::string out(text.size() + 200, '\0');
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// The error's text, with the folder's path as DIR.
template <class F> std::string complaint(const TempDir& dir, F&& f) {
  std::string text = "nothing was thrown";
  try {
    f();
  } catch (const Error& e) {
    text = e.what();
  }
  const std::string path = dir.path().string();
  for (std::size_t at = text.find(path); at != text.npos; at = text.find(path, at))
    text.replace(at, path.size(), "DIR");
  return text;
}

std::string complaint_of_load(const TempDir& dir) {
  return complaint(dir, [&] { digits::load_idx(dir.path()); });
}

} // namespace

TEST_CASE("the embedded digits are 1,797 images of 64 pixels", "[examples]") {
  const digits::Dataset d = digits::load_embedded_digits();
  CHECK(d.images.label() == "f32[1797,64]");
  CHECK(d.labels.label() == "i32[1797]");
  CHECK(d.train_size == 0);
  CHECK(d.labels.slice(0, 0, 10).to_vector<std::int32_t>() ==
        std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(d.images.at<float>({0, 3}) == 13.0f / 16);
  const auto pixels = d.images.to_vector<float>();
  CHECK(*std::min_element(pixels.begin(), pixels.end()) == 0);
  CHECK(*std::max_element(pixels.begin(), pixels.end()) == 1);
  double sum = 0; // over all 0..16 values; the file's own
  for (float pixel : pixels) sum += 16 * static_cast<double>(pixel);
  CHECK(sum == 561718);
}

TEST_CASE("split is deterministic, loses nothing, and keeps labels beside their images",
          "[examples]") {
  const digits::Dataset d = digits::load_embedded_digits();
  const auto [train, test] = digits::split(d, 0.8, 1);
  CHECK(train.images.label() == "f32[1438,64]");
  CHECK(test.labels.label() == "i32[359]");
  CHECK(train.name == "embedded digits, training part");
  CHECK(equal(digits::split(d, 0.8, 1).train.images, train.images));
  CHECK_FALSE(equal(digits::split(d, 0.8, 2).train.labels, train.labels));

  digits::Dataset numbered{Array::arange<float>(100).reshape({100, 1}),
                           Array::arange<std::int32_t>(100), "numbered", 0};
  const digits::Split cut = digits::split(numbered, 0.75, 7);
  CHECK(equal(cut.train.images.reshape({75}), cut.train.labels.astype<float>()));
  // The same on every machine and standard library.
  CHECK(cut.train.labels.slice(0, 0, 5).to_vector<std::int32_t>() ==
        std::vector{33, 68, 32, 27, 7});
  auto all = cut.train.labels.to_vector<std::int32_t>();
  for (std::int32_t label : cut.test.labels.to_vector<std::int32_t>()) all.push_back(label);
  std::sort(all.begin(), all.end());
  CHECK(all == numbered.labels.to_vector<std::int32_t>());
}

TEST_CASE("split refuses to leave a part empty", "[examples][error]") {
  const digits::Dataset d{Array::zeros<float>({3, 1}), Array::zeros<std::int32_t>({3}), "three", 0};
  const TempDir dir;
  CHECK(complaint(dir, [&] { digits::split(d, 1.0, 1); }) ==
        "split: three has 3 images, of which 3 would be for training\n  hint: both parts need at "
        "least one");
}

TEST_CASE("load_idx reads one pair, plain or packed", "[examples]") {
  const TempDir dir;
  test::write_file(dir.path() / "my-images-idx3-ubyte",
                   idx(2051, {2, 1, 2}, {'\0', '\x33', '\xff', '\x66'}));
  test::write_file(dir.path() / "my-labels-idx1-ubyte.gz", packed(labels({'\7', '\3'})));
  const digits::Dataset d = digits::load_idx(dir.path());
  CHECK(d.images.shape() == Shape{2, 2});
  CHECK(d.images.to_vector<float>() == std::vector{0.0f, 0.2f, 1.0f, 0.4f});
  CHECK(d.labels.to_vector<std::int32_t>() == std::vector{7, 3});
  CHECK(d.name == dir.path().string());
}

TEST_CASE("load_idx keeps MNIST's own cut between training and testing", "[examples]") {
  const TempDir dir;
  test::write_file(dir.path() / "train-images-idx3-ubyte.gz", packed(images(4)));
  test::write_file(dir.path() / "train-labels-idx1-ubyte", labels({0, 1, 2, 3}));
  test::write_file(dir.path() / "t10k-images-idx3-ubyte", images(2, 100));
  test::write_file(dir.path() / "t10k-labels-idx1-ubyte", labels({8, 9}));
  const digits::Dataset d = digits::load_idx(dir.path());
  CHECK(d.train_size == 4);
  CHECK(d.labels.to_vector<std::int32_t>() == std::vector{0, 1, 2, 3, 8, 9});
  const auto [train, test] = digits::split(d, 0.1, 1);
  CHECK(train.labels.numel() == 4);
  CHECK(test.labels.to_vector<std::int32_t>() == std::vector{8, 9});
  CHECK(test.images.at<float>({0, 0}) == 100.0f / 255);
}

TEST_CASE("load_idx says what is wrong with the files", "[examples][error]") {
  const TempDir dir;
  const auto image_file = dir.path() / "a-images-idx3-ubyte",
             label_file = dir.path() / "a-labels-idx1-ubyte";
  CHECK(complaint_of_load(dir) ==
        "data: DIR: holds no images\n"
        "  hint: expected *images-idx3-ubyte and *labels-idx1-ubyte, plain or .gz");
  test::write_file(image_file, images(3));
  CHECK(complaint_of_load(dir) == "data: DIR/a-images-idx3-ubyte: has no labels beside it\n"
                                  "  hint: expected a-labels-idx1-ubyte, plain or .gz");
  test::write_file(label_file, labels({1, 2}));
  CHECK(complaint_of_load(dir) ==
        "data: DIR/a-images-idx3-ubyte: has 3 images, but DIR/a-labels-idx1-ubyte has 2 labels");
  test::write_file(label_file, images(1));
  CHECK(complaint_of_load(dir) ==
        "data: DIR/a-labels-idx1-ubyte: is not an IDX file of rank 1 with unsigned bytes: it "
        "begins with 2051, not 2049");
  test::write_file(label_file, std::string(3, '\0'));
  CHECK(complaint_of_load(dir) ==
        "data: DIR/a-labels-idx1-ubyte: is truncated: 3 of 8 bytes of the header are there");
  test::write_file(label_file, labels({1, 2, 3}));
  test::write_file(image_file, images(3).substr(0, 20));
  CHECK(complaint_of_load(dir) ==
        "data: DIR/a-images-idx3-ubyte: is truncated: 4 of 6 bytes are there");
  test::write_file(image_file, idx(2051, {0xffffffff, 0xffffffff, 0xffffffff}, ""));
  CHECK(complaint_of_load(dir) ==
        "data: DIR/a-images-idx3-ubyte: is truncated: 0 of more than 2^64 bytes are there");
  test::write_file(image_file, packed(images(3)).substr(0, 25));
  CHECK(complaint_of_load(dir) == "data: DIR/a-images-idx3-ubyte: the gzip data ends too early");
  test::write_file(image_file, "\x1f\x8b and no gzip");
  CHECK(complaint_of_load(dir) ==
        "data: DIR/a-images-idx3-ubyte: the gzip data is damaged: unknown compression method");
  test::write_file(image_file, images(3));
  test::write_file(dir.path() / "b-images-idx3-ubyte", images(1));
  test::write_file(dir.path() / "b-labels-idx1-ubyte", labels({1}));
  CHECK(complaint_of_load(dir) == "data: DIR: holds 2 pairs of images and labels\n"
                                  "  hint: expected one pair, or train-* and t10k-*");
  CHECK(complaint(dir, [&] { digits::load_idx(dir.path() / "none"); }) ==
        "data: DIR/none: cannot be listed: No such file or directory");
}

TEST_CASE("unpack reads large data and several frames", "[examples]") {
  std::string text;
  for (int i = 0; i < 300000; ++i) text += static_cast<char>('a' + i % 7);
  const auto unpack = [](const std::string& bytes) {
    return digits::unpack({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()},
                          "test");
  };
  CHECK(unpack(packed(text)) == text);
  CHECK(unpack(packed("one ") + packed("two")) == "one two");
}
