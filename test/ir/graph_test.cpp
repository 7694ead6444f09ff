#include "lib/ir/graph.hpp"

#include <kroton/ops/contraction.hpp>
#include <kroton/ops/scatter.hpp>

#include "lib/ir/eval.hpp"
#include "lib/ops/basic.hpp"
#include "test/support/catch.hpp"

using namespace kroton;
using ir::Graph;
using ir::NodeId;

namespace {

Graph graph_of(const std::vector<Expr>& outputs) { return Graph::capture(outputs); }

} // namespace

TEST_CASE("capture merges equal expressions", "[graph]") {
  const Expr x = vector<float>("x");
  const Graph g = graph_of({exp(x + 1) * exp(x + 1)});
  CHECK(g.order().size() == 5); // x, 1, add, exp, mul
}

TEST_CASE("dims that an op requires to be equal are one dim everywhere", "[graph]") {
  const Expr x = vector<float>("x"), y = vector<float>("y");
  const Graph g = graph_of({x + y});
  CHECK(ir::dims::same(g[g.find(x)].type.shape[0], g[g.find(y)].type.shape[0]));
  REQUIRE(g.checks().size() == 1);
  CHECK_FALSE(g.checks()[0].constraint.is_assumed);
}

TEST_CASE("a known size wins over a name, a name over the unknown", "[graph]") {
  const Expr x = vector<float>("x"), n = tensor<float>({dim("n")}, "n"),
             five = tensor<float>({5}, "five");
  const Graph named = graph_of({x + n});
  CHECK(named[named.find(x)].type.to_string() == "f32[n]");
  const Graph known = graph_of({x + n + five});
  CHECK(known[known.find(x)].type.to_string() == "f32[5]");
}

TEST_CASE("computed dims that an op requires to be equal are one dim everywhere", "[graph]") {
  const Expr x = vector<float>("x"), y = tensor<float>({dim("m")}, "y"), four = tensor<float>({4});
  const Expr tail = slice(x, {{-3, {}}}), sum = tail + y, doubled = exp(tail) * 2;
  const Graph g = graph_of({sum, doubled});
  CHECK(g[g.find(sum)].type.to_string() == "f32[m]");
  CHECK(g[g.find(doubled)].type.to_string() == "f32[m]");
  // A call still compares the two.
  REQUIRE(g.checks().size() == 1);
  const auto& c = g.checks()[0].constraint;
  CHECK_FALSE(ir::dims::same(g.in_sizes(c.a), g.in_sizes(c.b)));
  CHECK(ir::dims::same(g.canonical(c.a), g.canonical(c.b)));

  // Inside other dims, and by way of each other.
  const Expr rest = slice(tail + four, {{1, {}}}), other = slice(x, {{-5, -2}});
  const Graph known = graph_of({rest, exp(other), other + tail});
  CHECK(known[known.find(rest)].type.to_string() == "f32[3]");
  CHECK(known[known.find(other)].type.to_string() == "f32[4]");
  // None with itself.
  const Graph never = graph_of({x + slice(x, {{1, {}}})});
  CHECK(never[never.find(x)].type.rank() == 1);
}

TEST_CASE("what rules assume is a check, and nothing where nothing may be assumed", "[graph]") {
  const Expr x = vector<float>("x");
  Graph g = graph_of({x}), careful = Graph::capture(std::vector{x}, Graph::Unify::required);
  CHECK(g.assume_equal(x.shape()[0], Dim(3)));
  CHECK(g.assume_equal(x.shape()[0], Dim(3)));
  REQUIRE(g.checks().size() == 1);
  CHECK(g.checks()[0].constraint.is_assumed);
  CHECK_FALSE(careful.assume_equal(x.shape()[0], Dim(3)));
  CHECK(careful.checks().empty());
}

TEST_CASE("what is only assumed is unified on request", "[graph]") {
  const Expr x = matrix<float>("x"), y = vector<std::int64_t>("y");
  const std::vector<Expr> picked{index(x, {arange(y.dim(0)), y})};
  const Graph assumed = Graph::capture(picked, Graph::Unify::assumed),
              required = Graph::capture(picked, Graph::Unify::required);
  auto rows_equal = [&](const Graph& g) {
    return ir::dims::same(g[g.find(x)].type.shape[0], g[g.find(y)].type.shape[0]);
  };
  CHECK(rows_equal(assumed));
  CHECK_FALSE(rows_equal(required));
}

TEST_CASE("replace merges users that become equal, and reports those that changed", "[graph]") {
  const Expr x = vector<float>("x"), y = vector<float>("y");
  const Expr fx = exp(x), fy = exp(y);
  Graph g = graph_of({fx * 2, fy * 2});
  std::vector<NodeId> changed;
  g.replace(g.find(y), g.find(x), &changed);
  CHECK_FALSE(changed.empty());
  CHECK(g.find(fx) == g.find(fy));
  CHECK(g.outputs()[0] == g.outputs()[1]);
}

TEST_CASE("compact drops the dead and keeps what outputs mean", "[graph]") {
  const Expr x = vector<float>("x");
  Graph g = graph_of({exp(x) + 1});
  g.add(ops::tanh, {g.find(x)}, {}, Location::current());
  Graph c = g;
  c.compact();
  CHECK(c.numel() == 4);
  CHECK(c.to_string() == graph_of({exp(x) + 1}).to_string());
}

TEST_CASE("a graph prints one line a node, in an order that depends on the expression alone",
          "[graph]") {
  const Expr x = tensor<float>({3}, "x");
  CHECK(graph_of({2 * x + 1}).to_string() == "  %0 = constant 2 : f32[]\n"
                                             "  %1 = input x : f32[3]\n"
                                             "  %2 = mul %0, %1 : f32[3]\n"
                                             "  %3 = constant 1 : f32[]\n"
                                             "  %4 = add %2, %3 : f32[3]\n"
                                             "  return %4\n");
}

TEST_CASE("expressions survive the way to a graph and back", "[graph]") {
  const Expr x = matrix<double>("x");
  const Expr e = softmax(x * 2.0);
  const Graph g = Graph::capture(std::vector{e}, Graph::Unify::nothing);
  const Expr back = g.to_exprs(g.outputs())[0];
  CHECK(back.to_string() == e.to_string());
}

TEST_CASE("the evaluator rounds each op to its dtype, or is exact beyond it when widened",
          "[eval]") {
  const Expr x = tensor<float>({1}, "x");
  const Graph g = graph_of({x + 1e-9f - 1});
  const ir::Bindings bindings{.values = {{g.find(x), Array::from({1.0f})}}, .size_of = {}};
  CHECK(evaluate(g, g.outputs(), bindings)[0].item<float>() == 0.0f);
  const double widened =
      evaluate(g, g.outputs(), bindings, ir::Precision::widened)[0].item<double>();
  CHECK(widened == Approx(1e-9).epsilon(1e-6));
}

TEST_CASE("widened, f64 keep more digits than their own through every kind of op", "[eval]") {
  const Expr x = matrix<double>("x"), p = tensor<std::int64_t>({2}, "p");
  const Expr near_one = x + 1e-18; // 1 in f64, 1 + 1e-18 to 64 bits
  const Expr ones = 0.0 * x + 1.0, places = index(transpose(near_one), {p});
  const std::vector<Expr> kept{
      log(near_one),
      transpose(near_one) - 1.0,
      slice(near_one, {{0, 2, 1}}) - 1.0,
      places - 1.0,
      index_add(x.shape(), {p}, places) - 1.0,
      sum(near_one, {0}) - 2.0,
      max(near_one, {0}) - 1.0,
      matmul(near_one, ones) - 2.0,
      where(near_one > 1.0, x, 0.0 * x) * 1e-18,
  };
  const Graph g = graph_of(kept);
  const ir::Bindings bindings{.values = {{g.find(x), Array::full<double>({2, 2}, 1)},
                                         {g.find(p), Array::from<std::int64_t>({1, 0})}},
                              .size_of = [](const ir::DimNode&) { return 2; }};
  const auto exact = evaluate(g, g.outputs(), bindings, ir::Precision::widened),
             rounded = evaluate(g, g.outputs(), bindings);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    INFO("output " << i);
    for (double v : exact[i].to_vector<double>()) CHECK((v > 0.9e-18 && v < 2.2e-18));
    for (double v : rounded[i].to_vector<double>()) CHECK(v == 0);
  }
}

TEST_CASE("flushed, what is below the normal numbers of f64 is zero", "[eval]") {
  const Expr x = tensor<double>({1}, "x");
  const Graph g = graph_of({x * 1e-300 * 1e200});
  const ir::Bindings bindings{.values = {{g.find(x), Array::from({1e-10})}}, .size_of = {}};
  const auto value = [&](ir::Precision p) {
    return evaluate(g, g.outputs(), bindings, p)[0].item<double>();
  };
  CHECK(value(ir::Precision::widened) == Approx(1e-110));
  CHECK(value(ir::Precision::flushed) == 0);
}

TEST_CASE("a long chain is captured, printed and freed without recursion", "[graph]") {
  Expr e = vector<float>("x");
  for (int i = 0; i < 100'000; ++i) e = i % 2 ? e * 0.5f : e + 1.0f;
  const Graph g = graph_of({e});
  CHECK(g.order().size() == 100'003);
}
