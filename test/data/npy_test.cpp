#include <kroton/npy.hpp>

#include <bit>

#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

using namespace kroton;
using test::message_of;
using test::TempDir;

namespace {

/// A file as NumPy writes it: preamble, padded header, elements.
std::string npy(char major, const std::string& dict, const std::string& elements) {
  std::string out = "\x93NUMPY";
  out += {major, '\0'};
  const auto size = static_cast<char>(dict.size() + 1);
  out += major == 1 ? std::string{size, '\0'} : std::string{size, '\0', '\0', '\0'};
  return out + dict + '\n' + elements;
}

std::string bytes_of(const std::vector<std::int16_t>& values) {
  return {reinterpret_cast<const char*>(values.data()), 2 * values.size()};
}

/// What `load_npy` says of a file with these bytes, without the file's folder.
std::string complaint(const std::string& bytes) {
  const TempDir dir;
  test::write_file(dir.path() / "a.npy", bytes);
  std::string text = message_of<FileError>([&] { load_npy(dir.path() / "a.npy"); });
  if (const auto at = text.find(dir.path().string() + "/"); at != text.npos)
    text.erase(at, dir.path().string().size() + 1);
  return text;
}

} // namespace

TEST_CASE("every dtype and shape reads back from its .npy file", "[data]") {
  const TempDir dir;
  for (int i = 0; i < dtype_count; ++i)
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{3}, Shape{2, 3}, Shape{2, 1, 3, 1}}) {
      std::int64_t numel = 1;
      for (std::int64_t dim : shape) numel *= dim;
      const Array a =
          Array::arange<std::int64_t>(numel).astype(static_cast<DType>(i)).reshape(shape);
      save_npy(dir.path() / "a.npy", a);
      CAPTURE(a.label());
      CHECK(equal(load_npy(dir.path() / "a.npy"), a));
    }
}

TEST_CASE("save_npy writes the bytes that NumPy writes", "[data]") {
  const TempDir dir;
  save_npy(dir.path() / "a.npy", Array::from<std::int16_t>({1, 2, 3, 4, 5, 6}, {3, 2}).transpose());
  std::string dict = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }";
  dict.resize(117, ' '); // the elements begin at byte 128
  CHECK(test::read_file(dir.path() / "a.npy") == npy(1, dict, bytes_of({1, 3, 5, 2, 4, 6})));
  save_npy(dir.path() / "b.npy", Array::from({true}));
  CHECK_THAT(test::read_file(dir.path() / "b.npy"),
             test::contains("{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }"));
}

TEST_CASE("load_npy reads all three versions and both orders", "[data]") {
  const TempDir dir;
  const auto load = [&](const std::string& bytes) {
    test::write_file(dir.path() / "a.npy", bytes);
    return load_npy(dir.path() / "a.npy");
  };
  for (char major : {1, 2, 3}) {
    const Array c = load(npy(major, "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }",
                             bytes_of({1, 2, 3, 4, 5, 6})));
    CHECK(equal(c, Array::from<std::int16_t>({1, 2, 3, 4, 5, 6}, {2, 3})));
    const Array f = load(npy(major, "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3)}",
                             bytes_of({1, 2, 3, 4, 5, 6})));
    CHECK(f.strides() == Shape{1, 2});
    CHECK(equal(f, Array::from<std::int16_t>({1, 3, 5, 2, 4, 6}, {2, 3})));
  }
}

TEST_CASE("save_npy replaces a file whole and leaves nothing beside it", "[data]") {
  const TempDir dir;
  save_npy(dir.path() / "a.npy", Array::zeros<float>({1000}));
  save_npy(dir.path() / "a.npy", Array::from({1.0f}));
  CHECK(load_npy(dir.path() / "a.npy").label() == "f32[1]");
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 1);

  std::filesystem::create_directory(dir.path() / "taken.npy");
  CHECK(message_of<FileError>([&] { save_npy(dir.path() / "taken.npy", 1.0f); }) ==
        "save_npy: " + (dir.path() / "taken.npy").string() + ": cannot be written: Is a directory");
  CHECK(message_of<FileError>([&] { save_npy(dir.path() / "no" / "a.npy", 1.0f); }) ==
        "save_npy: " + (dir.path() / "no" / "a.npy").string() +
            ": cannot be written: No such file or directory");
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 2);
}

TEST_CASE("load_npy says what is wrong with a file", "[data][error]") {
  const std::string elements(24, '\0');
  const auto dict = [](const std::string& descr, const std::string& shape = "(2, 3)") {
    return "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }";
  };
  CHECK(complaint("") == "load_npy: a.npy: is not an .npy file: it does not begin with \\x93NUMPY\n"
                         "  hint: numpy.save writes such files; an .npz is a zip of several");
  CHECK(complaint("PK\x03\x04 and so on") ==
        "load_npy: a.npy: is not an .npy file: it does not begin with \\x93NUMPY\n"
        "  hint: numpy.save writes such files; an .npz is a zip of several");
  CHECK(complaint("\x93NUM") ==
        "load_npy: a.npy: is truncated: 4 of 8 bytes of the preamble are there");
  CHECK(complaint(npy(4, dict("'<f4'"), elements)) ==
        "load_npy: a.npy: has format version 4.0; 1.0, 2.0 and 3.0 are read");
  CHECK(complaint(npy(1, dict("'<f4'"), elements).substr(0, 30)) ==
        "load_npy: a.npy: is truncated: 20 of 60 bytes of the header are there");
  CHECK(complaint(npy(1, dict("'<f4'"), elements.substr(4))) ==
        "load_npy: a.npy: is truncated: 20 of 24 bytes of f32[2,3] are there");
  CHECK(complaint(npy(1, dict("'>f4'"), elements)) ==
        "load_npy: a.npy: holds big-endian elements ('>f4'); only little-endian ones are read\n"
        "  hint: save it with array.astype('<f4')");
  CHECK(complaint(npy(1, dict("'|O'"), elements)) ==
        "load_npy: a.npy: holds Python objects ('|O'), which only Python reads\n"
        "  hint: save it with a number dtype, such as array.astype('f4')");
  CHECK(complaint(npy(1, dict("'<c8'"), elements)) ==
        "load_npy: a.npy: holds elements of type '<c8', for which there is no dtype\n"
        "  hint: save it as bool, an integer, f4 or f8");
  CHECK(complaint(npy(1, dict("[('x', '<f4')]"), elements)) ==
        "load_npy: a.npy: holds a structured array, not one of numbers\n  hint: save one array per "
        "field");
  CHECK(
      complaint(npy(1, "{'descr': '<f4', 'shape': (2,)}", elements)) ==
      "load_npy: a.npy: the header is not one that NumPy writes: {'descr': '<f4', 'shape': (2,)}");
  CHECK(complaint(npy(1, dict("'<f4'", "(2, -3)"), elements)) ==
        "load_npy: a.npy: the header is not one that NumPy writes: "
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3), }");
  CHECK(complaint(npy(1, dict("'<f8'", "(9000000000000000000, 9)"), elements)) ==
        "load_npy: a.npy: claims f64[9000000000000000000,9], which no file can hold");
  CHECK(complaint(npy(1, dict("'<f8'", "(90000000000, 9)"), elements)) ==
        "load_npy: a.npy: is truncated: 24 of 6480000000000 bytes of f64[90000000000,9] are there");
  CHECK(complaint(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12)) ==
        "load_npy: a.npy: claims a header of 4294967295 bytes, which no array of numbers needs");
}

TEST_CASE("load_npy names a file that it cannot open", "[data][error]") {
  const TempDir dir;
  CHECK(message_of<FileError>([&] { load_npy(dir.path() / "none.npy"); }) ==
        "load_npy: " + (dir.path() / "none.npy").string() +
            ": cannot be read: No such file or directory");
  CHECK(message_of<FileError>([&] { load_npy(dir.path()); }) ==
        "load_npy: " + dir.path().string() + ": is a directory");
}
