/// docs/environment.md names every environment variable that the sources read, and no other.
#include <kroton/core.hpp>

#include <filesystem>
#include <regex>
#include <set>
#include <string>

#include "test/data/source_root.hpp"
#include "test/support/catch.hpp"
#include "test/support/child.hpp"
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
  const std::set<std::string> internal{"KROTON_TEST_CACHE_DIR", "KROTON_TEST_OBJECT",
                                       "KROTON_TEST_US", "KROTON_TEST_MIB"};
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

TEST_CASE("child: a function is made and called", "[.environment]") {
  const kroton::Expr x = kroton::vector<float>("x");
  CHECK(kroton::function({x}, {x + 1})({kroton::Array::zeros<float>({3})}).size() == 1);
}

TEST_CASE("values of variables that have no effect are told of with what would have one",
          "[function][environment]") {
  const auto output = [](const kroton::test::Environment& environment) {
    const auto r = kroton::test::run_child("[.environment]", environment);
    CHECK(r.status == 0);
    return r.output;
  };
  struct Case {
    const char *name, *value, *told;
  };
  for (const Case& c : {
           Case{"KROTON_KEEP_MIB", "x", "KROTON_KEEP_MIB=x is no number of MiB"},
           Case{"KROTON_KEEP_MIB", "-1", "KROTON_KEEP_MIB=-1 is no number of MiB"},
           Case{"KROTON_THREADS", "many", "KROTON_THREADS=many is no number from 1 to 4096"},
           Case{"KROTON_SPECIALIZE", "no",
                "KROTON_SPECIALIZE=no has no effect; the value that it takes is 0"},
           Case{"KROTON_CPU", "z80", "KROTON_CPU=z80 is not known"},
           Case{"KROTON_CACHE", "no", "KROTON_CACHE=no is not known"},
           Case{"KROTON_CACHE_UNSIGNED", "all", "KROTON_CACHE_UNSIGNED=all is not known"},
           Case{"KROTON_CACHE_TIMEOUT_MS", "0", "KROTON_CACHE_TIMEOUT_MS=0 has no effect"},
           Case{"KROTON_CACHE_PATH", "/nowhere/at/all", "KROTON_CACHE_PATH or CacheOptions::path"},
           Case{"KROTON_LOG", "loud", "KROTON_LOG=loud"},
       }) {
    const std::string text = output({{c.name, c.value}});
    INFO(text);
    CHECK(text.find(c.told) != text.npos);
  }
  // Nothing is told of values that do what they say, nor of empty ones.
  for (const auto& [name, value] : kroton::test::Environment{{"KROTON_KEEP_MIB", "0"},
                                                             {"KROTON_THREADS", "2"},
                                                             {"KROTON_SPECIALIZE", "0"},
                                                             {"KROTON_SPECIALIZE", ""}})
    CHECK(output({{name, value}}).find("KROTON_") == std::string::npos);
}

namespace {

/// Checks that of the library's and the command's sources these match, and no others.
void check_places(const std::regex& pattern, const std::set<std::string>& places) {
  const fs::path root = kroton::test::source_root;
  for (const char* folder : {"include", "lib", "codegen", "cache", "jit", "tools/kroton"})
    for (const auto& item : fs::recursive_directory_iterator(root / folder)) {
      const auto extension = item.path().extension();
      if (extension != ".cpp" && extension != ".hpp" && extension != ".h") continue;
      const std::string file = item.path().lexically_relative(root).string();
      CAPTURE(file);
      CHECK(std::regex_search(read_file(item.path()), pattern) == places.contains(file));
    }
}

} // namespace

TEST_CASE("only lib/support/environment.cpp reads the environment", "[function][docs]") {
  // What reads it itself gives a setuid program the variables of whoever started it.
  check_places(std::regex("\\b(getenv|secure_getenv|environ)\\b"), {"lib/support/environment.cpp"});
}

TEST_CASE("only lib/support/library.cpp loads libraries", "[function][docs]") {
  // What loads them itself loads what somebody else could have written. The command's library is
  // found by its run path.
  check_places(std::regex("\\bdl(m)?open\\("),
               {"lib/support/library.cpp", "tools/kroton/doctor.cpp"});
}

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
