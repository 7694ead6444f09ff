// The table of fragments, and the document that states the bounds.
#include "codegen/prelude.hpp"
#include "test/codegen/prelude_bounds.hpp"
#include "test/codegen/prelude_test_config.hpp"
#include "test/support/catch.hpp"

#include <fstream>
#include <kroton/error.hpp>
#include <map>
#include <sstream>

using namespace kroton::codegen;

namespace {

std::string text_of(std::initializer_list<std::string_view> names) {
  return prelude_for(std::vector<std::string_view>(names));
}

std::size_t occurrences(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

/// function → bound, from the rows `| exp_f32 | … | 1.0 |` of docs/numerics.md.
std::map<std::string, double> documented_bounds() {
  std::ifstream file(std::string(KROTON_TEST_SOURCE_ROOT) + "/docs/numerics.md");
  std::map<std::string, double> bounds;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string bar, name, next;
    double f32 = 0.0, f64 = 0.0;
    if (words >> bar >> name >> next >> f32 >> next >> f64 && bar == "|" && next == "|") {
      bounds[name + "_f32"] = f32;
      bounds[name + "_f64"] = f64;
    }
  }
  return bounds;
}

} // namespace

TEST_CASE("prelude_for gives each fragment once, after what it depends on", "[codegen][prelude]") {
  std::string text = text_of({"softplus_f32", "exp_f32", "exp_f32"});
  for (std::string_view definition :
       {"using f32", " bits_f32(", " exp_f32(", " scale_f32(", " softplus_f32("}) {
    INFO(definition);
    CHECK(occurrences(text, std::string(definition)) >= 1);
  }
  CHECK(occurrences(text, "KROTON_INLINE F exp_f32(") == 1);
  CHECK(occurrences(text, "KROTON_INLINE F scale_f32(") == 1);
  CHECK(text.find("F scale_f32(") < text.find("F exp_f32("));
  CHECK(text.find("F exp_decay_f32(") < text.find("F softplus_f32("));
  CHECK(text.find("pow_f32") == text.npos);
  CHECK(text.find("#include") == text.npos);
}

TEST_CASE("prelude_for does not depend on the order of the names", "[codegen][prelude]") {
  CHECK(text_of({"tanh_f64", "log_f32"}) == text_of({"log_f32", "tanh_f64"}));
  CHECK(text_of({}).empty());
}

TEST_CASE("every fragment has a text of its own name", "[codegen][prelude]") {
  for (std::string_view name : prelude_names()) {
    INFO(name);
    CHECK((name == "types" || prelude_fragment(name).find(name) != std::string_view::npos));
  }
}

TEST_CASE("an unknown fragment is an internal error that names it", "[codegen][prelude]") {
  try {
    prelude_fragment("exp_f16");
    FAIL("no error");
  } catch (const kroton::InternalError& error) {
    CHECK(std::string(error.what()) == "prelude: no fragment is named 'exp_f16'");
  }
}

TEST_CASE("prelude_names_in finds the fragments that a kernel's text calls", "[codegen][prelude]") {
  CHECK(prelude_names_in("y[i] = maximum_f32(exp_f32(x), 0); // exp_f32x my_tanh_f32") ==
        std::vector<std::string_view>{"maximum_f32", "exp_f32"});
  CHECK(prelude_names_in("for (i64 i = 0;;)") == std::vector<std::string_view>{"types"});
  CHECK(prelude_names_in("").empty());
}

TEST_CASE("docs/numerics.md states the bounds that the tests hold", "[codegen][prelude]") {
  std::map<std::string, double> documented = documented_bounds();
  CHECK(documented.size() == std::size(kroton::test::prelude_bounds));
  for (const kroton::test::PreludeBound& bound : kroton::test::prelude_bounds) {
    INFO(bound.function);
    CHECK(documented[std::string(bound.function)] == bound.ulp);
  }
}
