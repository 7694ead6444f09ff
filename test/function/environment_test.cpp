/// docs/environment.md names every environment variable that the sources read, and no other.
#include <filesystem>
#include <regex>
#include <set>
#include <string>

#include "test/data/source_root.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

namespace fs = std::filesystem;
using kroton::test::read_file;

namespace {

void collect(const std::string& text, const std::regex& pattern, std::set<std::string>& into) {
  for (auto it = std::sregex_iterator(text.begin(), text.end(), pattern);
       it != std::sregex_iterator(); ++it)
    into.insert((*it)[1]);
}

/// What C++ files read by getenv or through what is called a variable.
std::set<std::string> variables_read() {
  // What a test hands to a child of its own is no switch for users.
  const std::set<std::string> internal{"KROTON_TEST_CACHE_DIR", "KROTON_TEST_OBJECT"};
  std::set<std::string> found;
  for (const char* folder :
       {"include", "lib", "codegen", "cache", "jit", "tools", "examples", "test", "bench"})
    for (const auto& item :
         fs::recursive_directory_iterator(fs::path(kroton::test::source_root) / folder))
      if (const auto extension = item.path().extension();
          extension == ".cpp" || extension == ".hpp")
        collect(read_file(item.path()),
                std::regex("(?:getenv\\(|variable\\(|variable = )\"(KROTON_[A-Z_]+)\""), found);
  for (const std::string& name : internal) found.erase(name);
  return found;
}

} // namespace

TEST_CASE("every environment variable is in docs/environment.md", "[function][docs]") {
  std::set<std::string> documented;
  collect(read_file(fs::path(kroton::test::source_root) / "docs/environment.md"),
          std::regex("\\n\\| `(KROTON_[A-Z_]+)` \\|"), documented);
  const auto read = variables_read();
  CHECK(read.size() >= 8);
  for (const std::string& name : read) {
    CAPTURE(name);
    CHECK(documented.contains(name));
  }
  // Nothing is documented that neither the library nor a script knows.
  std::string scripts = read_file(fs::path(kroton::test::source_root) / "dev");
  for (const auto& item :
       fs::recursive_directory_iterator(fs::path(kroton::test::source_root) / "tools"))
    if (item.is_regular_file()) scripts += read_file(item.path());
  for (const std::string& name : documented) {
    CAPTURE(name);
    CHECK((read.contains(name) || scripts.find(name) != scripts.npos));
  }
}
