#include "lib/plan/constants.hpp"

#include <bit>

#include <kroton/ops/arithmetic.hpp>

#include "lib/plan/plan.hpp"
#include "test/support/catch.hpp"

using namespace kroton;
using namespace kroton::plan;
namespace dims = kroton::ir::dims;

namespace {

using Bits = std::vector<std::uint64_t>;

/// The constants that each kernel is passed.
std::vector<Bits> constants_of(const std::vector<Expr>& outputs) {
  PlanOptions options;
  options.outputs = outputs.size();
  std::vector<Bits> all;
  for (const Kernel& k : make_plan(ir::Graph::capture(outputs), options).kernels)
    all.push_back(constant_arguments(k));
  return all;
}

std::uint64_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }

const Expr x = vector<float>("x"), y = vector<float>("y");
const Expr i = vector<std::int64_t>("i"), j = vector<std::int64_t>("j");

} // namespace

TEST_CASE("constants in which alike kernels differ are arguments", "[plan][constants]") {
  CHECK(constants_of({exp(x * 1.5f), exp(y * 2.5f)}) ==
        std::vector{Bits{bits(1.5f)}, Bits{bits(2.5f)}});
  CHECK(constants_of({i * 30 + 7, j * 40 + 7}) == std::vector{Bits{30}, Bits{40}});
  CHECK(constants_of({where(i > 10, i, 77), where(j > 20, j, 88)}) ==
        std::vector{Bits{10, 77}, Bits{20, 88}});
}

TEST_CASE("constants that alike kernels share stay in the text", "[plan][constants]") {
  CHECK(constants_of({exp(x * 1.5f), exp(y * 1.5f)}) == std::vector<Bits>(2));
  CHECK(constants_of({exp(x * 1.5f) + 0.25f, exp(y * 2.5f) + 0.25f}) ==
        std::vector{Bits{bits(1.5f)}, Bits{bits(2.5f)}});
}

TEST_CASE("the constants of a kernel that is like no other stay in its text", "[plan][constants]") {
  CHECK(constants_of({exp(x * 1.5f) + 0.25f}) == std::vector<Bits>(1));
  CHECK(constants_of({exp(x * 1.5f), tanh(y * 2.5f)}) == std::vector<Bits>(2));
}

TEST_CASE("a constant that a kernel names twice is one argument", "[plan][constants]") {
  CHECK(constants_of({x / (x * x + 1.5f) + 1.5f, y / (y * y + 2.5f) + 2.5f}) ==
        std::vector{Bits{bits(1.5f)}, Bits{bits(2.5f)}});
  CHECK(constants_of({x / (x * x + 1.5f) + 1.5f, y / (y * y + 2.5f) + 3.5f}).front().size() == 2);
}

TEST_CASE("constants that decide about code stay in the text", "[plan][constants]") {
  CHECK(constants_of({pow(x, 2.7f), pow(y, 3.1f)}) == std::vector<Bits>(2));
  CHECK(constants_of({floor_div(i, 10), floor_div(j, 20)}) == std::vector<Bits>(2));
  CHECK(constants_of({mod(i, 10), mod(j, 20)}) == std::vector<Bits>(2));
  CHECK(constants_of({maximum(x, 0.0f), maximum(y, 1.0f)}) == std::vector<Bits>(2));
  CHECK(constants_of({maximum(x, 0.0f), maximum(y, 3.5f)}) == std::vector<Bits>(2));
  CHECK(constants_of({i * 2, j * -1}) == std::vector<Bits>(2));
}

TEST_CASE("kernels of different dtypes or shapes are not alike", "[plan][constants]") {
  const Expr d = vector<double>("d"), m = matrix<float>("m");
  CHECK(constants_of({exp(x * 1.5f), exp(d * 2.5)}) == std::vector<Bits>(2));
  CHECK(constants_of({sum(x * 1.5f), sum(m * 2.5f, {0})}) == std::vector<Bits>(2));
}

TEST_CASE("sizes do not keep kernels apart, nor do symbols", "[plan][constants]") {
  const Expr a = tensor<float>({dim("n"), dim("m")}, "a"),
             b = tensor<float>({dim("p"), dim("q")}, "b");
  CHECK(constants_of({sum(exp(a * 1.5f), {1}), sum(exp(b * 2.5f), {1})}).front().size() == 1);
}

namespace {

/// What each kernel is passed for an offset.
std::vector<std::vector<std::int64_t>> offsets_of(const std::vector<Expr>& outputs) {
  PlanOptions options;
  options.outputs = outputs.size();
  std::vector<std::vector<std::int64_t>> all;
  for (const Kernel& k : make_plan(ir::Graph::capture(outputs), options).kernels) {
    all.emplace_back();
    for (const Dim& d : size_arguments(k))
      all.back().push_back(dims::evaluate(d, [](const ir::DimNode&) { return -1; }));
  }
  return all;
}

} // namespace

TEST_CASE("offsets in which alike kernels differ are arguments", "[plan][constants]") {
  const Expr a = tensor<float>({8, 6}, "a"), w = tensor<float>({6, 6}, "w");
  std::vector<Expr> steps;
  Expr h = tensor<float>({8, 6}, "h");
  for (int t = 1; t < 5; ++t) h = tanh(dot(h, w) + slice(a, {{}, {t, t + 1}}));
  // The last one writes the output, which makes it like no other.
  CHECK(offsets_of({h}) == std::vector<std::vector<std::int64_t>>{{1}, {2}, {3}, {}});
}
