/// substitute: other expressions in the place of some, and sizes that follow.
#include <kroton/ops/basic.hpp>
#include <kroton/substitute.hpp>

#include "lib/ir/graph.hpp"
#include "lib/ir/node.hpp"
#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

bool are_equal(const Expr& a, const Expr& b) {
  const std::vector<Expr> both{a, b};
  const ir::Graph g = ir::Graph::capture(both);
  return g.outputs()[0] == g.outputs()[1];
}

} // namespace

TEST_CASE("an expression stands where another did", "[substitute]") {
  const Expr x = vector<float>("x"), y = vector<float>("y"), h = exp(x), z = h * x + sum(h);
  CHECK(are_equal(substitute(z, {{x, y}}), exp(y) * y + sum(exp(y))));
  CHECK(are_equal(substitute(z, {{h, y}}), y * x + sum(y)));
  // All at once: what takes a place is not looked into.
  CHECK(are_equal(substitute(x * 2 + y, {{x, y}, {y, x}}), y * 2 + x));
  CHECK(are_equal(substitute(z, {{x, x + 1}}), exp(x + 1) * (x + 1) + sum(exp(x + 1))));
  CHECK(substitute(z, {{y, x}}).is(z));
  CHECK(substitute(z, {{z, x}}).is(x));
  const std::vector<Expr> several = substitute({h, z}, {{x, y}});
  CHECK(several[1].node()->inputs[0].node()->inputs[0].is(several[0]));
}

TEST_CASE("sizes follow what takes an input's place", "[substitute]") {
  const Expr x = matrix<float>("x"), y = tensor<float>({4, 5}, "y");
  const Expr mean_of_rows = sum(x, {0}) / x.dim(0);
  const Expr z = matrix<float>("z");
  CHECK(are_equal(substitute(mean_of_rows, {{x, z}}), sum(z, {0}) / z.dim(0)));
  CHECK(substitute(reshape(x, {-1}), {{x, y}}).shape()[0].is(20));
  CHECK(substitute(broadcast_to(scalar<float>("s"), {x.shape()[1]}), {{x, y}}).shape()[0].is(5));
  const Expr n = scalar<std::int64_t>("n"), m = scalar<std::int64_t>("m");
  CHECK(are_equal(substitute(arange(n), {{n, m + 1}}), arange(m + 1)));
}

TEST_CASE("what takes a place has its type", "[substitute]") {
  const Expr x = tensor<float>({3}, "x"), d = tensor<double>({3}, "d"), s = tensor<float>({2}, "s");
  CHECK(message_of<TypeError>([&] {
          substitute(x, {{x, d}});
        }) == "substitute: d f64[3] cannot take the place of x f32[3]\n"
              "  at substitute_test.cpp:LINE; x from substitute_test.cpp:LINE, d from "
              "substitute_test.cpp:LINE\n"
              "  hint: cast it to f32");
  CHECK(message_of<ShapeError>([&] {
          substitute(x, {{x, s}});
        }).starts_with("substitute: s f32[2] cannot take the place of x f32[3]\n"));
  CHECK(message_of<GraphError>([&] {
          substitute(x, {{x, x}, {x, exp(x)}});
        }).starts_with("substitute: x f32[3] is to become both x f32[3] and exp f32[3]\n"));
}

TEST_CASE("long chains are rebuilt without recursion", "[substitute]") {
  const Expr x = scalar<float>("x"), y = scalar<float>("y");
  Expr e = x;
  for (int i = 0; i < 100'000; ++i) e = e + 1;
  CHECK(!substitute(e, {{x, y}}).is(e));
}

} // namespace kroton::test
