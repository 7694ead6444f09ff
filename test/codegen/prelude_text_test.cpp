// The table of fragments.
#include "codegen/prelude/prelude.hpp"
#include "lib/ops/table.hpp"
#include "test/support/catch.hpp"

#include <algorithm>

#include <kroton/error.hpp>

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

TEST_CASE("every function of floats is named by a row, or is part of one that is",
          "[codegen][prelude]") {
  // So none is held to no bound: the tests of accuracy and of vectors walk the rows.
  std::string texts;
  for (const kroton::ir::Op* op : kroton::ops::all())
    if (op->is(kroton::ir::Kind::elementwise))
      for (kroton::DType in : {kroton::DType::f32, kroton::DType::f64})
        for (const kroton::DTypeRow& out : kroton::dtype_rows)
          texts += std::string(op->spelled(in, out.dtype).text) + "\n";
  for (const kroton::ir::Op* op : kroton::ops::all())
    if (op->fold) texts += std::string(op->fold->spell(kroton::DType::f32).text) + "\n";
  for (std::size_t at = 0; (at = texts.find("{t}", at)) != texts.npos;) texts.replace(at, 3, "f32");
  for (std::string_view name : prelude_names_in(texts)) {
    // Each exists in both dtypes, and is named so.
    std::string other(name);
    if (name.ends_with("_f32")) other.replace(other.size() - 2, 2, "64");
    texts += other + "\n";
  }
  const std::vector<std::string_view> named = prelude_names_in(texts);
  const std::vector<std::string_view> reached = prelude_names_in(prelude_for(named));
  for (std::string_view name : prelude_names()) {
    if (!name.ends_with("_f32") && !name.ends_with("_f64")) continue;
    // Random numbers and the order of floats in folds have tests of their own; ceil is tested with
    // the helpers of vectors.
    const auto is_of = [&](std::string_view part) { return name.find(part) != name.npos; };
    if (is_of("uniform") || is_of("positive") || is_of("middle") || is_of("unit_") ||
        is_of("order_") || is_of("ceil_"))
      continue;
    INFO(name);
    CHECK(std::ranges::find(reached, name) != reached.end());
  }
}
