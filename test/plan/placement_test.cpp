#include "lib/plan/plan.hpp"

#include <kroton/ops/basic.hpp>
#include <kroton/shared.hpp>

#include "test/support/catch.hpp"

using namespace kroton;
using namespace kroton::plan;

namespace {

Plan plan_with_updates(const std::vector<Expr>& outputs,
                       const std::vector<std::pair<Shared, Expr>>& updates) {
  std::vector<Expr> roots = outputs;
  for (const auto& u : updates) roots.push_back(u.second);
  ir::Graph g = ir::Graph::capture(roots);
  PlanOptions options;
  options.outputs = outputs.size();
  for (const auto& u : updates) options.updated.push_back(g.find(u.first));
  return make_plan(std::move(g), options);
}

const Buffer& buffer_of_update(const Plan& p, int update) {
  for (const Step& s : p.steps)
    for (int b : s.filled) {
      const Buffer& x = p.buffers[static_cast<std::size_t>(b)];
      if ((x.kind == BufferKind::update || x.kind == BufferKind::leaf) && x.index == update)
        return x;
    }
  FAIL("the update is not computed");
  return p.buffers[0];
}

} // namespace

TEST_CASE("an update that nobody reads past is made in the variable's own memory", "[plan]") {
  const Shared w = shared(Array::zeros<float>({8}), "w");
  const Plan p = plan_with_updates({}, {{w, w * 2 + 1}});
  CHECK(buffer_of_update(p, 0).kind == BufferKind::leaf);
}

TEST_CASE("an update is staged when other elements of the old value are still needed", "[plan]") {
  const Shared w = shared(Array::zeros<float>({8}), "w");
  const Plan reversed = plan_with_updates({}, {{w, slice(w, {{{}, {}, -1}}) + 1}});
  CHECK(buffer_of_update(reversed, 0).kind == BufferKind::update);
}

TEST_CASE("nothing is written in place where a position may be out of range", "[plan]") {
  const Shared w = shared(Array::zeros<float>({8}), "w");
  const Expr at = vector<std::int64_t>("at");
  const Plan p = plan_with_updates({}, {{w, w + sum(index(w, {at}))}});
  for (const Step& s : p.steps)
    if (s.is_fallible)
      for (int b : s.filled) CHECK(p.buffers[static_cast<std::size_t>(b)].kind != BufferKind::leaf);
}

TEST_CASE("a step can fail if its kernel checks a position, and only then", "[plan]") {
  const Expr x = tensor<float>({8, 8}, "x"), at = vector<std::int64_t>("at");
  const Expr all = arange(8);
  for (const Step& s : plan_with_updates({sum(index(x, {all, all}))}, {}).steps)
    CHECK_FALSE(s.is_fallible);
  int fallible = 0;
  for (const Step& s : plan_with_updates({sum(index(x, {at}))}, {}).steps)
    fallible += s.is_fallible ? 1 : 0;
  CHECK(fallible == 1);
}

TEST_CASE("values that live one after the other share a slot", "[plan]") {
  const Expr x = tensor<float>({64, 64}, "x");
  Expr e = x;
  for (int i = 0; i < 12; ++i) e = dot(e, x);
  const Plan p = plan_with_updates({e}, {});
  CHECK(p.steps.size() == 12);
  CHECK(p.slots.size() == 2);
}

TEST_CASE("an elementwise step takes over the slot of an operand that dies in it", "[plan]") {
  const Expr x = tensor<float>({64, 64}, "x");
  const Plan p = plan_with_updates({dot(exp(dot(x, x)), x)}, {});
  CHECK(p.slots.size() == 1);
}
