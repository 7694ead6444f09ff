/// Arrays by name in files, and what is refused as such a file.
#include <kroton/safetensors.hpp>

#include <cstring>
#include <fstream>

#include <kroton/ops/basic.hpp>

#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

namespace kroton::test {
namespace {

/// A file with that header and those bytes behind it.
std::string file_of(const std::string& path, const std::string& header, std::size_t nbytes = 0) {
  std::ofstream out(path, std::ios::binary);
  const std::uint64_t size = header.size();
  out.write(reinterpret_cast<const char*>(&size), sizeof size);
  out << header << std::string(nbytes, '\1');
  return path;
}

} // namespace

TEST_CASE("arrays come back from a file as they were", "[data][safetensors]") {
  const TempDir dir;
  const std::string path = (dir.path() / "all.safetensors").string();
  const Array f = Array::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3});
  const NamedArrays arrays{{"f", f.transpose()},
                           {"d", Array::scalar(0.5)},
                           {"none", Array::empty<std::int64_t>({0, 3})},
                           {"yes", Array::from(std::vector<bool>{true, false, true})},
                           {"a \"name\" \\ \n é", Array::from(std::vector<std::uint8_t>{7})}};
  save_safetensors(path, arrays);
  const NamedArrays back = load_safetensors(path);
  REQUIRE(back.size() == arrays.size());
  for (const auto& [name, array] : arrays) {
    const auto at = std::ranges::find(back, name, &NamedArrays::value_type::first);
    REQUIRE(at != back.end());
    CHECK(at->second.label() == array.label());
    const Array a = array.contiguous(), b = at->second.contiguous();
    CHECK((a.nbytes() == 0 || std::memcmp(a.raw(), b.raw(), a.nbytes()) == 0));
  }
}

TEST_CASE("a file is laid out as the format says", "[data][safetensors]") {
  const TempDir dir;
  const std::string path = (dir.path() / "one.safetensors").string();
  save_safetensors(path, {{"w", Array::from(std::vector<float>{1, 2})}});
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  CHECK(bytes.substr(8, 56) ==
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}  ");
  CHECK(bytes.size() == 8 + 56 + 8);
  CHECK(bytes[0] == 56);
}

TEST_CASE("files of other writers are read", "[data][safetensors]") {
  const TempDir dir;
  const std::string path = file_of(
      (dir.path() / "a").string(),
      R"({ "__metadata__": {"format": "pt"}, "b": {"shape": [2], "data_offsets": [1, 3], "dtype": "U8"},
 "\u0061\ud83d\ude00": {"dtype":"BOOL","shape":[],"data_offsets":[0,1]} }  )",
      3);
  const NamedArrays all = load_safetensors(path);
  REQUIRE(all.size() == 2);
  CHECK(all[0].first == "a\xF0\x9F\x98\x80");
  CHECK(all[0].second.item<bool>());
  CHECK(all[1].second.label() == "u8[2]");
}

TEST_CASE("what is no such file is refused", "[data][safetensors]") {
  const TempDir dir;
  const std::string path = (dir.path() / "bad").string();
  const auto error = [&](const std::string& header, std::size_t nbytes = 0) {
    file_of(path, header, nbytes);
    return message_of<FileError>([&] { load_safetensors(path); });
  };
  const std::string wrong =
      "load_safetensors: " + path + ": the header is not one of safetensors: ";
  CHECK(
      error("{\"a\":{\"dtype\":\"F32\"}}").starts_with(wrong + "an array lacks its dtype, shape"));
  CHECK(error("").starts_with(wrong + "a { is missing"));
  CHECK(error("{\"a\":").starts_with(wrong));
  CHECK(error("{\"a").starts_with(wrong + "a string is cut off"));
  CHECK(error("{\"a\\u12").starts_with(wrong + "an escape is cut off"));
  CHECK(error("{}x").starts_with(wrong + "something follows it"));
  const auto one = [](const std::string& type, const std::string& shape, const std::string& place) {
    return "{\"a\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + place +
           "}}";
  };
  CHECK(error(one("F32", "[2]", "[8,0]")).starts_with(wrong + "a place is none"));
  CHECK(error(one("F32", "[-2]", "[0,8]")).starts_with(wrong + "a size or position is no number"));
  CHECK(error(one("F8_E4M3", "[2]", "[0,2]"), 2).find("elements of type F8_E4M3") !=
        std::string::npos);
  CHECK(error(one("F32", "[2]", "[0,8]"), 4).ends_with("a f32[2] has bytes 0 to 8 of 4"));
  CHECK(error(one("F32", "[3]", "[0,8]"), 8).ends_with("a f32[3] has bytes 0 to 8 of 8"));
  CHECK(error(one("F64", "[9223372036854775807,2]", "[0,8]"), 8).find("has bytes") !=
        std::string::npos);
  {
    std::ofstream out(path, std::ios::binary);
    out << "abcdefgh";
  }
  CHECK(message_of<FileError>([&] { load_safetensors(path); }).find("claims a header of") !=
        std::string::npos);
  { std::ofstream out(path, std::ios::binary); }
  CHECK(message_of<FileError>([&] { load_safetensors(path); }).find("is truncated") !=
        std::string::npos);
  CHECK_THROWS_AS(load_safetensors((dir.path() / "missing").string()), FileError);
  const Array a = Array::scalar(1.0f);
  CHECK_THROWS_AS(save_safetensors(path, {{"a", a}, {"a", a}}), GraphError);
  CHECK_THROWS_AS(save_safetensors(path, {{"", a}}), GraphError);
}

TEST_CASE("every prefix and every changed byte of a file is read or refused",
          "[data][safetensors]") {
  const TempDir dir;
  const std::string path = (dir.path() / "f").string();
  save_safetensors(path, {{"w", Array::from(std::vector<float>{1, 2})},
                          {"b", Array::from(std::vector<bool>{true})}});
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const auto check = [&](const std::string& changed) {
    {
      std::ofstream out(path, std::ios::binary | std::ios::trunc);
      out << changed;
    }
    try {
      load_safetensors(path);
    } catch (const FileError&) {
    }
  };
  for (std::size_t n = 0; n < bytes.size(); ++n) check(bytes.substr(0, n));
  for (std::size_t at = 0; at < bytes.size(); ++at)
    for (const char c : {'\0', '"', '}', '9', '\xff'}) {
      std::string changed = bytes;
      changed[at] = c;
      check(changed);
    }
  SUCCEED();
}

TEST_CASE("variables are saved and loaded by name, all or none", "[data][safetensors]") {
  const TempDir dir;
  const std::string path = (dir.path() / "model").string();
  Shared w = shared(Array::from(std::vector<float>{1, 2}), "w"),
         b = shared(Array::scalar(3.0), "b");
  const std::vector<Shared> found = shared_variables({sum(w) * 2, b + sum(w)});
  REQUIRE(found.size() == 2);
  CHECK(found[0].state() == w.state());
  CHECK(found[1].state() == b.state());
  save_variables(path, {w, b});
  w.set(Array::zeros<float>({2}));
  b.set(Array::scalar(0.0));
  load_variables(path, {w, b});
  CHECK(w.get().data<float>()[1] == 2);
  CHECK(b.get().item<double>() == 3);
  b.set(Array::scalar(0.0));
  const Shared other = shared(Array::zeros<float>({3}), "w"),
               missing = shared(Array::scalar(1.0), "c"),
               wide = shared(Array::zeros<double>({2}), "w");
  CHECK_THROWS_AS(load_variables(path, {b, other}), ShapeError);
  CHECK_THROWS_AS(load_variables(path, {b, wide}), TypeError);
  CHECK_THROWS_AS(load_variables(path, {b, missing}), FileError);
  CHECK(b.get().item<double>() == 0);
  CHECK_THROWS_AS(save_variables(path, {shared(Array::scalar(1.0))}), GraphError);
}

} // namespace kroton::test
