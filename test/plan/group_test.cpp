#include "lib/plan/group.hpp"

#include <set>
#include <string_view>

#include <kroton/grad.hpp>
#include <kroton/ops/basic.hpp>

#include "lib/plan/plan.hpp"
#include "test/support/catch.hpp"

using namespace kroton;
using namespace kroton::plan;

namespace {

Plan plan_of(const std::vector<Expr>& outputs, bool one_each = false) {
  PlanOptions options;
  options.outputs = outputs.size();
  options.one_kernel_each = one_each;
  return make_plan(ir::Graph::capture(outputs), options);
}

std::size_t contractions(const Plan& p) {
  return static_cast<std::size_t>(std::ranges::count_if(
      p.steps, [](const Step& s) { return std::holds_alternative<ContractionStep>(s.what); }));
}

} // namespace

TEST_CASE("an elementwise chain is one kernel over one flat axis", "[plan]") {
  const Expr x = matrix<float>("x"), y = matrix<float>("y");
  const Plan p = plan_of({exp(2 * x + y) - 1});
  REQUIRE(p.kernels.size() == 1);
  CHECK(p.kernels[0].axes.size() == 1);
  CHECK(p.kernels[0].rows == 1);
}

TEST_CASE("a softmax is one kernel of three stages over its rows", "[plan]") {
  const Expr x = matrix<float>("x");
  const Plan p = plan_of({softmax(x)});
  REQUIRE(p.kernels.size() == 1);
  CHECK(p.groups[0].rows == 1);
  CHECK(p.groups[0].levels == 3);
}

TEST_CASE("the result of all rows is finished in the same kernel, but not read by the rows",
          "[plan]") {
  const Expr x = matrix<float>("x");
  CHECK(plan_of({sum(x, {0}) * 2 + 1}).kernels.size() == 1);
  CHECK(plan_of({x - sum(x, {0})}).kernels.size() == 2);
}

TEST_CASE("outputs that read the same array share a kernel", "[plan]") {
  const Expr x = matrix<float>("x");
  const Plan p = plan_of({sum(x, {1}), max(x, {1}), exp(x)});
  CHECK(p.kernels.size() == 1);
}

TEST_CASE("a path through a product keeps its ends apart", "[plan]") {
  const Expr x = matrix<float>("x"), w = matrix<float>("w");
  const Expr h = exp(x);
  const Plan p = plan_of({h + dot(h, w)});
  CHECK(contractions(p) == 1);
  CHECK(p.kernels.size() == 2);
  CHECK_FALSE(p.cuts.empty());
}

TEST_CASE("x + transpose(x) of a computed x is two kernels, of an input one", "[plan]") {
  const Expr x = tensor<float>({4, 4}, "x");
  CHECK(plan_of({x + transpose(x)}).kernels.size() == 1);
  const Expr e = exp(x);
  CHECK(plan_of({e + transpose(e)}).kernels.size() == 2);
}

TEST_CASE("without fusion every node has a kernel of its own", "[plan]") {
  const Expr x = vector<float>("x");
  CHECK(plan_of({exp(2 * x) + 1}, true).kernels.size() == 3);
}

TEST_CASE("kernels stay bounded however long the chain", "[plan]") {
  Expr e = vector<float>("x");
  for (int i = 0; i < 1000; ++i) e = e + 1.0f;
  const Plan p = plan_of({e});
  CHECK(p.kernels.size() > 4);
  for (const Group& g : p.groups) CHECK(g.members.size() <= 96);
}

TEST_CASE("a long chain stays whole where it is walked in pieces", "[plan]") {
  const auto kernels = [](const std::vector<Expr>& outputs) {
    PlanOptions options{.outputs = outputs.size(), .walks_pieces = true, .is_checked = true};
    return make_plan(ir::Graph::capture(outputs), options).kernels.size();
  };
  const Expr x = matrix<float>("x"), y = matrix<float>("y"), b = vector<float>("b"),
             s = scalar<float>("s"), column = tensor<float>({x.shape()[0], 1}, "column");
  const auto chain = [&](const Expr& from, const Expr& a) {
    Expr e = from;
    for (int i = 0; i < 150; ++i) e = sqrt(e * a + 1.5f);
    return e;
  };
  CHECK(kernels({chain(x, y)}) == 1);
  CHECK(kernels({chain(x, b)}) == 1);
  CHECK(kernels({chain(x, exp(s) * 2.0f)}) == 1);
  CHECK(kernels({chain(x, column * 2.0f)}) == 1);
  CHECK(kernels({chain(x, transpose(y))}) == 1);
  const Expr e = chain(x, y);
  CHECK(kernels({sum(e) / 2.0f, max(e, {0}), e}) == 1);
  CHECK(kernels({sum(e * e), grad(sum(e * e), y)}) == 1);
  CHECK(kernels({chain(chain(x, y) * s, b) + chain(y, x)}) == 1);
  // What reads other elements of a chain than its own is no part of it.
  CHECK(kernels({chain(chain(x, y), transpose(x)) + transpose(chain(y, y))}) > 1);
  CHECK(kernels({chain(chain(x, y), sum(chain(x, y)))}) > 1);
}

TEST_CASE("a small size is a number in the kernel, a large one an argument", "[plan]") {
  const Plan small = plan_of({exp(tensor<float>({100, 8}, "x")) * tensor<float>({8}, "b")});
  CHECK(size_arguments(small.kernels[0]).empty());
  const Plan large = plan_of({exp(tensor<float>({100'000}, "x"))});
  CHECK(size_arguments(large.kernels[0]).size() == 1);
}

TEST_CASE("many outputs of one array are a few kernels, alike but for constants", "[plan]") {
  const Expr x = vector<float>("x");
  std::vector<Expr> outputs;
  for (int i = 0; i < 100; ++i) outputs.push_back(x * (3.5f + static_cast<float>(i)));
  const Plan p = plan_of(outputs);
  REQUIRE(p.kernels.size() == 7);
  for (std::size_t k = 0; k < 6; ++k) CHECK(p.groups[k].members.size() == 16);
}

TEST_CASE("outputs that are computed alike share kernels, however they are mixed", "[plan]") {
  const Expr x = vector<float>("x");
  std::vector<Expr> outputs;
  for (int i = 0; i < 96; ++i) {
    const Expr e = x * (3.5f + static_cast<float>(i));
    outputs.push_back(i % 3 == 0 ? exp(e) : i % 3 == 1 ? sqrt(e) : sum(e));
  }
  const Plan p = plan_of(outputs);
  CHECK(p.kernels.size() == 6);
  for (const Group& g : p.groups) {
    std::set<std::string_view> ops;
    for (const Member& m : g.members) ops.insert(p.graph[m.id].op->name);
    CHECK(ops.size() <= 2);
  }
}

TEST_CASE("a few outputs of one array are one kernel, whatever they are", "[plan]") {
  const Expr x = vector<float>("x");
  std::vector<Expr> outputs;
  for (int i = 0; i < 16; ++i) {
    const Expr e = x + (3.5f + static_cast<float>(i));
    outputs.push_back(i % 3 == 0 ? exp(e) : i % 3 == 1 ? sqrt(e) : sum(e));
  }
  CHECK(plan_of(outputs).kernels.size() == 1);
}
