#include <kroton/npy.hpp>

#include <bit>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

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

TEST_CASE("save_npy writes to what a link leads to, and keeps the link", "[data]") {
  const TempDir dir;
  const auto at = [&](const char* name) { return dir.path() / name; };
  std::filesystem::create_directory(at("there"));
  std::filesystem::create_symlink("there/file.npy", at("link.npy"));
  std::filesystem::create_symlink("link.npy", at("second.npy"));
  for (const float value : {1.0f, 2.0f}) { // there is no file first, then there is one
    save_npy(at("second.npy"), Array::from({value}));
    CHECK(std::filesystem::is_symlink(at("second.npy")));
    CHECK(std::filesystem::is_symlink(at("link.npy")));
    CHECK(load_npy(at("there") / "file.npy").item<float>() == value);
  }
  CHECK(std::distance(std::filesystem::directory_iterator(at("there")), {}) == 1);

  std::filesystem::create_symlink("loop.npy", at("loop.npy"));
  CHECK_THAT(message_of<FileError>([&] { save_npy(at("loop.npy"), 1.0f); }),
             test::contains("cannot be written: Too many levels of symbolic links"));
  std::filesystem::create_symlink("no/file.npy", at("nowhere.npy"));
  CHECK_THAT(message_of<FileError>([&] { save_npy(at("nowhere.npy"), 1.0f); }),
             test::contains("cannot be written: No such file or directory"));
}

TEST_CASE("save_npy keeps a file's permissions and asks for them", "[data]") {
  const TempDir dir;
  const auto file = dir.path() / "a.npy";
  const auto mode = [&] {
    struct stat status;
    REQUIRE(stat(file.c_str(), &status) == 0);
    return status.st_mode & 07777;
  };
  for (const mode_t wanted : {0600, 0664, 0640}) {
    save_npy(file, Array::from({1.0f}));
    REQUIRE(chmod(file.c_str(), wanted) == 0);
    save_npy(file, Array::from({2.0f}));
    CHECK(mode() == wanted);
  }
  REQUIRE(chmod(file.c_str(), 0400) == 0);
  if (geteuid() == 0) return; // root may write to any file
  CHECK_THAT(message_of<FileError>([&] { save_npy(file, 1.0f); }),
             test::contains("cannot be written: Permission denied"));
}

TEST_CASE("save_npy writes into pipes and descriptors, and replaces none", "[data]") {
  const TempDir dir;
  const auto fifo = dir.path() / "fifo.npy", expected = dir.path() / "expected.npy",
             file = dir.path() / "file";
  const Array a = Array::arange<int>(100);
  save_npy(expected, a);
  const std::string bytes = test::read_file(expected);

  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  std::string through_fifo;
  {
    const std::jthread reader([&] { through_fifo = test::read_file(fifo); });
    save_npy(fifo, a);
  }
  CHECK(through_fifo == bytes);
  CHECK(std::filesystem::is_fifo(fifo));

  int ends[2];
  REQUIRE(pipe(ends) == 0);
  save_npy("/dev/fd/" + std::to_string(ends[1]), a);
  std::string through_pipe(bytes.size() + 1, '\0');
  CHECK(read(ends[0], through_pipe.data(), through_pipe.size()) ==
        static_cast<ssize_t>(bytes.size()));
  CHECK(through_pipe.substr(0, bytes.size()) == bytes);
  close(ends[0]);
  close(ends[1]);

  // As `program >> file` has it: what was there stays, and what comes later follows.
  const int out = open(file.c_str(), O_WRONLY | O_CREAT, 0600);
  REQUIRE(write(out, "before", 6) == 6);
  save_npy("/proc/self/fd/" + std::to_string(out), a);
  REQUIRE(write(out, "after", 5) == 5);
  close(out);
  CHECK(test::read_file(file) == "before" + bytes + "after");

  std::filesystem::create_symlink("/dev/null", dir.path() / "null.npy");
  save_npy(dir.path() / "null.npy", a);
  CHECK(std::filesystem::is_character_file("/dev/null"));
  CHECK(std::filesystem::is_symlink(dir.path() / "null.npy"));
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 4);
}

TEST_CASE("a bool in a file is true unless its byte is 0", "[data]") {
  const TempDir dir;
  test::write_file(dir.path() / "a.npy",
                   npy(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (6,)}",
                       std::string("\x00\x01\x02\x80\xff\x00", 6)));
  const Array a = load_npy(dir.path() / "a.npy");
  CHECK(std::string(static_cast<const char*>(std::as_const(a).raw()), 6) ==
        std::string("\0\1\1\1\1\0", 6));
  const char foreign[] = {0, 2, -1};
  save_npy(dir.path() / "b.npy", Array::view(DType::bool_, foreign, {3}));
  CHECK(test::read_file(dir.path() / "b.npy").ends_with(std::string("\0\1\1", 3)));
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
  CHECK(complaint(npy(1, dict("'<f8'", "(0, 9000000000000000000, 9)"), "")) ==
        "load_npy: a.npy: claims f64[0,9000000000000000000,9], which no file can hold");
  CHECK(complaint(npy(1, dict("'\x1b[31m'"), elements)) ==
        "load_npy: a.npy: holds elements of type '\\x1b[31m', for which there is no dtype\n"
        "  hint: save it as bool, an integer, f4 or f8");
  CHECK(complaint(npy(1, "{'\x9b\n': 1}", elements)) ==
        "load_npy: a.npy: the header is not one that NumPy writes: {'\\x9b\\x0a': 1}");
  CHECK_THAT(complaint(npy(1, dict("'<f4'") + " + 1", elements)), test::contains("+ 1"));
  CHECK(complaint(npy(3, std::string(200, 'x'), elements)).size() < 300);
  CHECK(complaint(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12)) ==
        "load_npy: a.npy: claims a header of 4294967295 bytes, which no array of numbers needs");
}

TEST_CASE("a pipe that claims more than there is is refused as a file is", "[data][error]") {
  const TempDir dir;
  const auto through_pipe = [&](const std::string& shape) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const std::string bytes =
        npy(1, "{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + "}", "12345678");
    REQUIRE(write(ends[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    close(ends[1]);
    const std::string text =
        message_of<FileError>([&] { load_npy("/dev/fd/" + std::to_string(ends[0])); });
    close(ends[0]);
    return text;
  };
  CHECK_THAT(through_pipe("(2,)"), test::contains("is truncated: 8 of 16 bytes of f64[2]"));
  CHECK_THAT(through_pipe("(1000000000000000000,)"),
             test::contains("there is no memory for the 8000000000000000000 bytes of"));
  CHECK_THAT(through_pipe("(1000000000000000000, 10)"), test::contains("which no file can hold"));
}

TEST_CASE("load_npy names a file that it cannot open", "[data][error]") {
  const TempDir dir;
  CHECK(message_of<FileError>([&] { load_npy(dir.path() / "none.npy"); }) ==
        "load_npy: " + (dir.path() / "none.npy").string() +
            ": cannot be read: No such file or directory");
  CHECK(message_of<FileError>([&] { load_npy(dir.path()); }) ==
        "load_npy: " + dir.path().string() + ": is a directory");
}
