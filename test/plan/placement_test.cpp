/// What placement decides, of uses that are written down and of whole plans.
#include "lib/plan/placement.hpp"

#include <kroton/ops/basic.hpp>
#include <kroton/shared.hpp>

#include "lib/ops/indexing.hpp"
#include "lib/plan/alias.hpp"
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

/// x -> a -> b -> c, all of one shape: a graph to place, and the numbers of its nodes.
struct Chain {
  ir::Graph graph;
  std::vector<NodeId> ids = graph.order(); ///< x, a, b, c
  Padding padding{graph};

  explicit Chain(const Expr& x) : graph(ir::Graph::capture(std::vector{exp(log(exp(x)))})) {
    REQUIRE(ids.size() == 4);
  }
  Placement placed(const std::vector<StepUse>& uses, const Results& results) const {
    return place(graph, padding, std::vector{ids[0]}, results, uses);
  }
  /// A step for each node, which may store it in place of what it reads.
  std::vector<StepUse> in_place() const {
    std::vector<StepUse> uses;
    for (std::size_t i = 1; i < 4; ++i)
      uses.push_back({.reads = {ids[i - 1]}, .stores = {{ids[i], {ids[i - 1]}}}});
    return uses;
  }
  Results output() const { return {.outputs = {ids[3]}}; }
};

using Aliases = std::vector<std::vector<Alias>>;

} // namespace

TEST_CASE("a value takes the place of one that no later step reads", "[plan][placement]") {
  const Chain c(tensor<float>({8}, "x"));
  const std::vector<NodeId>& id = c.ids;
  std::vector<StepUse> uses = c.in_place();
  // Neither the caller's input is overwritten, nor is an output made in the arena.
  Placement p = c.placed(uses, c.output());
  CHECK(p.aliases == Aliases{{}, {{id[2], id[1]}}, {}});
  CHECK(p.buffer_of.at(id[2]) == p.buffer_of.at(id[1]));
  CHECK(p.buffers[static_cast<std::size_t>(p.buffer_of.at(id[3]))].kind == BufferKind::output);
  CHECK(p.slots.size() == 1);

  uses[2].reads.push_back(id[1]);
  p = c.placed(uses, c.output());
  CHECK(p.aliases == Aliases{{}, {}, {}});
  CHECK(p.slots.size() == 2);

  uses[2].reads.pop_back();
  uses[1].stores[0].may_overwrite.clear();
  CHECK(c.placed(uses, c.output()).aliases == Aliases{{}, {}, {}});
}

TEST_CASE("a variable's memory takes its own new value once nothing can fail",
          "[plan][placement]") {
  const Chain c(tensor<float>({8}, "w"));
  const std::vector<NodeId>& id = c.ids;
  std::vector<StepUse> uses = c.in_place();
  uses[2] = {.reads = {id[2], id[0]}, .stores = {{id[3], {id[0], id[2]}}}};
  const Results update{.updates = {{id[3], id[0]}}};
  const auto of_result = [&](const Placement& p) -> const Buffer& {
    return p.buffers[static_cast<std::size_t>(p.buffer_of.at(id[3]))];
  };
  Placement p = c.placed(uses, update);
  CHECK(p.aliases[2] == std::vector<Alias>{{id[3], id[0]}});
  CHECK(of_result(p).kind == BufferKind::leaf);
  CHECK(of_result(p).index == 0);

  uses[2].can_fail = true;
  p = c.placed(uses, update);
  CHECK(p.aliases[2].empty());
  CHECK(of_result(p).kind == BufferKind::update);

  // Nor where a step that reads nothing fails later.
  uses[2].can_fail = false;
  uses.push_back({.can_fail = true});
  CHECK(c.placed(uses, update).aliases[2].empty());
}

TEST_CASE("a kernel can store over what it reads at the same place, and no later",
          "[plan][placement]") {
  const auto kernel_of = [](const Expr& e) { return plan_with_updates({e}, {}).kernels.at(0); };
  const auto stored_to = [](const Kernel& k) {
    for (std::size_t p = 0; p < k.params.size(); ++p)
      if (k.params[p].is_written) return static_cast<int>(p);
    return -1;
  };
  const auto over = [&](const Expr& e) {
    const Kernel k = kernel_of(e);
    return overwritable_by(k, stored_to(k)).size();
  };
  const Expr x = tensor<float>({8, 8}, "x"), y = tensor<float>({8, 8}, "y"),
             row = tensor<float>({8}, "row"), wide = tensor<double>({8, 8}, "wide");
  CHECK(over(x + 1) == 1);
  CHECK(over(x + y) == 2);
  CHECK(over(x + row) == 1);
  CHECK(over(x + slice(y, {{{}, {}, -1}})) == 1);
  CHECK(over(transpose(x) + 1) == 0);
  CHECK(over(cast(wide, DType::f32)) == 0);
  CHECK(over(softmax(x)) == 1);
  CHECK(over(sum(x, {1})) == 0);
  CHECK(over(row + sum(row)) == 1);
}

TEST_CASE("parameters that share memory become one", "[plan][placement]") {
  const Expr x = tensor<float>({8}, "x"), y = tensor<float>({8}, "y");
  const Plan p = plan_with_updates({x - y}, {});
  const Kernel& k = p.kernels.at(0);
  REQUIRE(k.params.size() == 3);
  const std::vector<NodeId> ids{10, 11, 12};
  const auto out = static_cast<std::size_t>(std::ranges::find(k.params, true, &Param::is_written) -
                                            k.params.begin());
  const std::size_t in = out == 0 ? 1 : 0, other = 3 - out - in;
  const Lowered one = with_aliases({k, ids}, std::vector<Alias>{{ids[out], ids[in]}, {77, 78}});
  REQUIRE(one.params.size() == 2);
  const std::size_t merged = in < other ? 0 : 1;
  CHECK(one.params[merged] == ids[out]);
  CHECK(one.params[1 - merged] == ids[other]);
  CHECK(one.kernel.params[merged].is_read);
  CHECK(one.kernel.params[merged].is_written);
  for_each_access(one.kernel, [](const Access& a) { CHECK(a.param < 2); });
  // What is handed in stays as it is.
  CHECK(k.params.size() == 3);
}

TEST_CASE("a plan says what its steps write over", "[plan][placement]") {
  const Expr x = tensor<float>({64, 64}, "x");
  const Plan p = plan_with_updates({dot(exp(dot(x, x)), x)}, {});
  REQUIRE(p.steps.size() == 3);
  CHECK(p.steps[0].aliases.empty());
  REQUIRE(p.steps[1].aliases.size() == 1);
  CHECK(p.steps[1].aliases[0].value == p.steps[1].computes[0]);
  CHECK(p.steps[1].aliases[0].over == p.steps[0].computes[0]);
  CHECK(p.to_string().find(", in place [b") != std::string::npos);
}

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

TEST_CASE("what a call overwrites is computed where the call's result will lie",
          "[plan][placement]") {
  const Expr rows = tensor<std::int64_t>({3}, "rows"), g = tensor<float>({3, 4}, "g"),
             scale = scalar<float>("scale");
  const auto added_to = [&](const Expr& base) {
    return ir::make(ops::index_add_to, {base, scale, g, rows}, {}, Location::current());
  };
  const auto has_table_in_arena = [](const Plan& p) {
    return std::ranges::any_of(p.buffers, [](const Buffer& b) {
      return b.kind == BufferKind::temp && b.shape.size() == 2;
    });
  };
  const Shared w = shared(Array::zeros<float>({6, 4}), "w");
  const Expr x = tensor<float>({6, 4}, "x"), old = w;
  // Of a variable, in its own memory, if nobody needs its old value any more.
  Plan p = plan_with_updates({}, {{w, added_to(added_to(old * 0.5F))}});
  CHECK(buffer_of_update(p, 0).kind == BufferKind::leaf);
  CHECK_FALSE(has_table_in_arena(p));
  p = plan_with_updates({sum(old, {0})}, {{w, added_to(old * 0.5F)}});
  CHECK(buffer_of_update(p, 0).kind == BufferKind::leaf);
  // Of an output, in the caller's; two outputs have a place each.
  p = plan_with_updates({added_to(x * 0.5F)}, {});
  CHECK_FALSE(has_table_in_arena(p));
  const Expr half = x * 0.5F;
  p = plan_with_updates({half, added_to(half)}, {});
  CHECK_FALSE(has_table_in_arena(p));
  // What two calls add to is in the arena for one of them.
  p = plan_with_updates({added_to(half), sum(half, {0})}, {});
  CHECK(p.to_string().find("on a copy") == std::string::npos);
}
