// The CUDA dialect's table of fragments: the same functions of numbers, without other machines'
// branches.
#include <algorithm>
#include <string>

#include "codegen/prelude/prelude.hpp"
#include "test/support/catch.hpp"

using namespace kroton::codegen;

namespace {

bool is_in(std::string_view name, const std::vector<std::string_view>& names) {
  return std::ranges::find(names, name) != names.end();
}

} // namespace

TEST_CASE("the CUDA prelude has every function of numbers that the CPU's has",
          "[codegen][prelude]") {
  const auto cpu = prelude_names(), cuda = prelude_names(Dialect::cuda);
  for (std::string_view name : cpu) {
    if (!name.ends_with("_f32") && !name.ends_with("_f64") && !name.ends_with("_i64") &&
        !name.starts_with("to_"))
      continue;
    // Runs of random numbers, what vectors need to find extremes, and tables are for CPUs.
    if (name.starts_with("fill_") || name.find("order_") != name.npos ||
        name.starts_with("uniforms_") || name == "tanh_parts_f32")
      continue;
    INFO(name);
    CHECK(is_in(name, cuda));
  }
}

TEST_CASE("functions of numbers are the same text in both preludes", "[codegen][prelude]") {
  for (std::string_view name :
       {"exp_within_f32", "sigmoid_f64", "log_f32", "floor_div_f64", "philox_round"}) {
    INFO(name);
    CHECK(prelude_fragment(name) == prelude_fragment(name, Dialect::cuda));
  }
}

TEST_CASE("the CUDA prelude has no branches for other compilers", "[codegen][prelude]") {
  const auto names = prelude_names(Dialect::cuda);
  const std::string all = prelude_for(names, Dialect::cuda);
  for (const char* word : {"__AVX512F__", "__clang__", "__builtin_", "__FMA__"}) {
    INFO(word);
    CHECK(all.find(word) == std::string::npos);
  }
  CHECK(prelude_fragment("exact_product", Dialect::cuda).find("fma_f64(a, b, -p)") !=
        std::string_view::npos);
}
