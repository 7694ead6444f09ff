#include <kroton/core.hpp>
#include <kroton/grad.hpp>
#include <kroton/ops/indexing.hpp>

#include "lib/plan/plan.hpp"
#include "lib/plan/view.hpp"
#include "lib/rewrite/pipeline.hpp"
#include "test/support/catch.hpp"

using namespace kroton;
using namespace kroton::plan;

namespace {

Plan plan_of(const std::vector<Expr>& outputs) {
  return make_plan(ir::Graph::capture(outputs), {.outputs = outputs.size()});
}

} // namespace

TEST_CASE("a stencil of unknown size is one kernel over one axis", "[plan][sizes]") {
  const Expr v = vector<float>("v");
  const Plan p = plan_of({slice(v, {{0, -2}}) + slice(v, {{1, -1}}) + slice(v, {{2, {}}})});
  CHECK(p.kernels.size() == 1);
  CHECK(p.cuts.empty());
}

TEST_CASE("a slice that is read begins where it says", "[plan][sizes]") {
  const Expr v = vector<float>("v"), part = slice(v, {{3, -1}});
  const ir::Graph g = ir::Graph::capture(std::vector{part});
  CHECK(resolve_view(g, g.find(part), 1).axes[0].start.is(3));
}

TEST_CASE("gradients of slices read parts that are assumed to have elements", "[plan][sizes]") {
  const Expr v = vector<float>("v");
  const Expr step = slice(v, {{1, {}}}) - slice(v, {{{}, -1}});
  const auto has = [](const ir::Graph& g, std::string_view op) {
    return std::ranges::any_of(g.order(), [&](ir::NodeId id) { return g[id].op->name == op; });
  };
  const std::vector<Expr> outputs{grad(sum(step * step), v)};
  ir::Graph g = ir::Graph::capture(outputs);
  rewrite::run_pipeline(g);
  CHECK(has(g, "gather"));
  CHECK_FALSE(has(g, "assemble"));
  CHECK(std::ranges::any_of(g.checks(),
                            [](const ir::DimCheck& c) { return c.constraint.is_assumed; }));
  ir::Graph careful = ir::Graph::capture(outputs, ir::Graph::Unify::required);
  rewrite::run_pipeline(careful);
  CHECK(has(careful, "assemble"));
  CHECK(std::ranges::none_of(careful.checks(),
                             [](const ir::DimCheck& c) { return c.constraint.is_assumed; }));
}

TEST_CASE("positions that are cut off at the ends of an axis are not checked", "[plan][sizes]") {
  const Expr x = tensor<float>({5}, "x"), p = vector<std::int64_t>("p");
  const auto is_inside = [](const Expr& e) {
    const Plan plan = plan_of({e});
    for (const Kernel& k : plan.kernels)
      for (const Value& v : k.values)
        if (!v.access->computed.empty()) return v.access->computed[0].is_inside;
    return false;
  };
  CHECK(is_inside(index(x, {minimum(maximum(p, 0), 4)})));
  CHECK(is_inside(index(x, {minimum(4, maximum(0, p))})));
  CHECK_FALSE(is_inside(index(x, {minimum(maximum(p, 0), 5)})));
  CHECK_FALSE(is_inside(index(x, {minimum(maximum(p, -1), 4)})));
  CHECK_FALSE(is_inside(index(x, {maximum(minimum(p, 4), 0)})));
  CHECK_FALSE(is_inside(index(x, {p})));
  // There is none on an axis that may have no elements.
  const Expr v = vector<float>("v");
  CHECK_FALSE(is_inside(index(v, {minimum(maximum(p, 0), v.dim(0) - 1)})));
}

TEST_CASE("what is not fused for sizes that nobody knows to be equal says so", "[plan][sizes]") {
  const Expr a = vector<float>("a"), b = vector<float>("b");
  const Dim n = dim("n");
  const auto why = [](const Expr& x, const Expr& y) {
    const Plan p = plan_of({exp(sum(x)) * y});
    return p.cuts.empty() ? std::string() : std::string(p.cuts[0].why);
  };
  CHECK(why(a, b).find("not known to be equal") != std::string::npos);
  CHECK(why(a, b).find("kroton::dim") != std::string::npos);
  CHECK(why(tensor<float>({4}), tensor<float>({5})).find("known") == std::string::npos);
  CHECK(why(tensor<float>({n}), slice(tensor<float>({n}), {{1, -1}})).find("not known") !=
        std::string::npos);
}
