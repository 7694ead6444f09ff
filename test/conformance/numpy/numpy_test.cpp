/// What NumPy, SciPy and mpmath give for thousands of calls; their results are in the files here
/// (cases.py), so that no Python is needed.
#include <filesystem>

#include "lib/ops/table.hpp"
#include "test/conformance/numpy/cases.hpp"
#include "test/conformance/oracle.hpp"
#include "test/data/source_root.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

/// Cases that are compiled as one function: a function costs some milliseconds, an output little.
constexpr std::size_t batch = 24;

/// Inputs for a case's arguments, of their shapes or of ones that only a call tells.
std::vector<Expr> inputs_of(const NumpyCase& c, bool is_known, std::size_t number) {
  std::vector<Expr> inputs;
  for (const Array& a : c.arguments) {
    std::vector<Dim> shape;
    for (std::int64_t n : a.shape())
      shape.push_back(
          is_known ? Dim(n) : dim(fmt::format("n{}_{}_{}", number, inputs.size(), shape.size())));
    inputs.push_back(tensor(a.dtype(), shape, fmt::format("x{}_{}", number, inputs.size())));
  }
  return inputs;
}

double ulps_of(const NumpyCase& c, DType t) {
  // The wanted result is rounded once, to f64 or to twelve digits.
  const double rounding = t == DType::f64 ? 0.5 : 1e-4;
  if (c.ulps >= 0) return c.ulps == 0 ? 0 : c.ulps + rounding;
  std::string name = c.name;
  std::ranges::replace(name, '_', '-');
  const ir::Op* op = ops::find(name);
  if (!op) op = ops::find(c.name);
  REQUIRE(op != nullptr);
  return (t == DType::f32 ? op->accuracy.f32 : op->accuracy.f64) + rounding;
}

void check(const NumpyCase& c, const std::vector<Array>& got, std::size_t first) {
  INFO(c.file << ":" << c.line << ": " << c.text);
  for (std::size_t k = 0; k < c.results.size(); ++k) {
    INFO("result " << k);
    const DType t = c.results[k].dtype();
    CHECK(difference(got[first + k], c.results[k],
                     {.ulps = is_float(t) ? ulps_of(c, t) : 0,
                      .within = c.within,
                      .exact = is_float(t) ? &c.exact[k] : nullptr}) == "");
  }
}

/// Every other case with sizes that only calls tell, if it can be written so.
void check_file(const std::string& file) {
  const auto cases =
      read_numpy_cases(std::filesystem::path(source_root) / "test/conformance/numpy" / file);
  REQUIRE(!cases.empty());
  for (std::size_t from = 0; from < cases.size(); from += batch) {
    const std::size_t end = std::min(from + batch, cases.size());
    std::vector<Expr> inputs, outputs;
    std::vector<Array> arguments;
    std::vector<std::size_t> firsts;
    for (std::size_t i = from; i < end; ++i) {
      const NumpyCase& c = cases[i];
      INFO(c.file << ":" << c.line << ": " << c.text);
      const NumpyCall* call = find_numpy_call(c.name);
      REQUIRE(call != nullptr);
      const auto these = inputs_of(c, call->is_of_known_sizes || i % 2 == 0, i);
      const auto made = call->make(these, c.parameters);
      REQUIRE(made.size() == c.results.size());
      firsts.push_back(outputs.size());
      inputs.insert(inputs.end(), these.begin(), these.end());
      arguments.insert(arguments.end(), c.arguments.begin(), c.arguments.end());
      outputs.insert(outputs.end(), made.begin(), made.end());
    }
    const auto got = function(inputs, outputs)(arguments);
    for (std::size_t i = from; i < end; ++i) check(cases[i], got, firsts[i - from]);
  }
}

} // namespace

TEST_CASE("elementwise functions give what NumPy, SciPy and mpmath give",
          "[conformance][anywhere][lengthy][numpy]") {
  check_file("elementwise.txt");
}
TEST_CASE("reductions give what NumPy gives", "[conformance][anywhere][lengthy][numpy]") {
  check_file("reductions.txt");
}
TEST_CASE("moments, folds and what leaves NaNs out give what NumPy gives", "[conformance][numpy]") {
  check_file("moments.txt");
}
TEST_CASE("arrays are moved, made and joined as NumPy does",
          "[conformance][anywhere][lengthy][numpy]") {
  check_file("movement.txt");
}
TEST_CASE("arrays are indexed and written as NumPy does",
          "[conformance][anywhere][lengthy][numpy]") {
  check_file("indexing.txt");
}
TEST_CASE("sorting, searching and counting give what NumPy gives", "[conformance][numpy]") {
  check_file("sorting.txt");
}
TEST_CASE("products give what NumPy gives", "[conformance][anywhere][lengthy][numpy]") {
  check_file("products.txt");
}
TEST_CASE("linear algebra gives what NumPy and SciPy give", "[conformance][numpy]") {
  check_file("linear_algebra.txt");
}
TEST_CASE("Fourier transforms give what NumPy gives", "[conformance][numpy]") {
  check_file("fourier.txt");
}

} // namespace kroton::test
