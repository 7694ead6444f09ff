/// Joins are stored by what computes their parts: no step copies them.
#include <kroton/grad.hpp>
#include <kroton/ops/basic.hpp>
#include <kroton/ops/joining.hpp>

#include "lib/plan/plan.hpp"
#include "lib/support/match.hpp"
#include "test/support/catch.hpp"

using namespace kroton;
using namespace kroton::plan;

namespace {

Plan plan_of(const std::vector<Expr>& outputs) {
  return make_plan(ir::Graph::capture(outputs), {.outputs = outputs.size(), .is_checked = true});
}

/// The arrays that the plan computes.
std::size_t computed(const Plan& p) {
  return p.buffers.size() -
         static_cast<std::size_t>(std::ranges::count(p.buffers, BufferKind::leaf, &Buffer::kind));
}

std::size_t temps(const Plan& p) {
  return static_cast<std::size_t>(std::ranges::count(p.buffers, BufferKind::temp, &Buffer::kind));
}

} // namespace

TEST_CASE("parts of a join are computed where they are read", "[plan]") {
  const Dim n = dim("n"), a = dim("a"), b = dim("b");
  const Expr x = tensor<float>({n, a}, "x"), y = tensor<float>({n, b}, "y");
  for (int axis : {0, 1}) {
    const Expr l = axis == 1 ? x : transpose(x), r = axis == 1 ? y : transpose(y);
    const Plan p = plan_of({concatenate({exp(l), tanh(r)}, axis)});
    INFO(p.to_string());
    CHECK(p.steps.size() == 2);
    CHECK(temps(p) == 0);
    CHECK(computed(p) == 1);
  }
}

TEST_CASE("alike parts of a join are stored by one kernel", "[plan]") {
  const Dim n = dim("n"), m = dim("m");
  const Expr x = tensor<float>({n, m}, "x");
  const Plan p = plan_of({concatenate({exp(x), exp(x) + 1, x}, 1)});
  INFO(p.to_string());
  CHECK(p.steps.size() == 1);
  CHECK(computed(p) == 1);
  const Plan s = plan_of({stack({sum(x, {1}), max(x, {1})}, 1)});
  INFO(s.to_string());
  CHECK(s.steps.size() == 1);
  CHECK(computed(s) == 1);
}

TEST_CASE("joins between steps are slots like others, and are reused", "[plan]") {
  const Dim n = dim("n");
  const Expr x = tensor<float>({n, 8}, "x"), w = tensor<float>({16, 16}, "w");
  const Expr h = concatenate({exp(x), tanh(x)}, 1);
  const Plan p = plan_of({dot(h, w), sum(h, {1})});
  INFO(p.to_string());
  CHECK(temps(p) == 1);
  const Plan twice = plan_of({concatenate({h, exp(x)}, 1), h});
  INFO(twice.to_string());
  CHECK(temps(twice) == 0);
}

TEST_CASE("padding with a number is written once", "[plan]") {
  const Expr x = tensor<float>({dim("n"), dim("m")}, "x");
  const Plan p = plan_of({pad(exp(x), {{1, 2}, {3, 4}})});
  INFO(p.to_string());
  CHECK(temps(p) == 0);
  CHECK(computed(p) == 1);
}
