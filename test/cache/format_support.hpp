#pragma once
/// What the tests of file formats share: the pages that describe them, and the examples there.
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>

#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

namespace kroton::test {

/// A page of docs/ in the source tree, found from this file's name or from the working directory.
inline std::optional<std::string> documentation(const char* name) {
  namespace fs = std::filesystem;
  const fs::path page = fs::path("docs") / name;
  std::error_code ignored;
  for (fs::path place : {fs::absolute(__FILE__), fs::current_path() / "here"})
    while (place.has_relative_path()) {
      place = place.parent_path();
      if (fs::exists(place / page, ignored)) return read_file(place / page);
    }
  return {};
}

/// The bytes of the block fenced as ```hexdump, in the layout of `hexdump -C`.
inline std::string bytes_of_hexdump(const std::string& page) {
  std::istringstream lines(page.substr(page.find("```hexdump\n") + 11));
  std::string bytes, line;
  while (std::getline(lines, line) && line != "```") {
    CHECK(std::strtoul(line.substr(0, 8).c_str(), nullptr, 16) == bytes.size());
    std::istringstream columns(line.substr(8, line.find('|') - 8));
    std::string shown, column;
    while (columns >> column) {
      const auto byte = static_cast<char>(std::strtoul(column.c_str(), nullptr, 16));
      bytes += byte;
      shown += byte >= ' ' && byte <= '~' ? byte : '.';
    }
    CHECK(line.substr(line.find('|')) == "|" + shown + "|");
  }
  return bytes;
}

} // namespace kroton::test
