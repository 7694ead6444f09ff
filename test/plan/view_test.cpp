#include "lib/plan/view.hpp"

#include <kroton/ops/movement.hpp>

#include "test/support/catch.hpp"

using namespace kroton;
using namespace kroton::plan;

TEST_CASE("a chain of views is one map from the base to the reader", "[view]") {
  const Expr x = tensor<float>({4, 6}, "x");
  const Expr v = slice(transpose(x), {{1, {}, 2}, {{}, {}, -1}}); // v[i, j] = x[3 - j, 1 + 2 i]
  const Graph g = Graph::capture(std::vector{v});
  const View view = resolve_view(g, g.find(v), 2);
  REQUIRE(view.base == g.find(x));
  CHECK(view.axes[0].axis == 1);
  CHECK(view.axes[0].start.is(3));
  CHECK(view.axes[0].step == -1);
  CHECK(view.axes[1].axis == 0);
  CHECK(view.axes[1].start.is(1));
  CHECK(view.axes[1].step == 2);
  CHECK_FALSE(view.is_pure());
}

TEST_CASE("the first of several elements is not all of an axis", "[view]") {
  const Expr x = tensor<float>({5, 7}, "x");
  for (const Expr& v : {slice(x, {{}, {0, 1}}), squeeze(slice(x, {{}, {0, 1}})),
                        transpose(slice(x, {{0, 1}})), slice(slice(x, {{0, 1}}), {{}, {0, 1}})}) {
    const Graph g = Graph::capture(std::vector{v});
    CHECK_FALSE(resolve_view(g, g.find(v), 2).is_pure());
  }
}

TEST_CASE("axes of size 1 do not move, and added ones are no axes of the base", "[view]") {
  const Expr x = tensor<float>({5, 1}, "x");
  const Expr v = expand_dims(squeeze(x), {0});
  const Graph g = Graph::capture(std::vector{v});
  const View view = resolve_view(g, g.find(v), 2);
  REQUIRE(view.base == g.find(x));
  CHECK(view.axes[0].axis == 1);
  CHECK(view.axes[1].axis == -1);
  CHECK(view.is_pure());
}

TEST_CASE("a reshape that merges axes is no view but another name of the buffer", "[view]") {
  const Expr x = tensor<float>({5, 4}, "x");
  const Expr flat = reshape(x, {20});
  const Graph g = Graph::capture(std::vector{flat});
  CHECK_FALSE(is_view(g, g.find(flat)));
  CHECK(is_alias(g, g.find(flat)));
  CHECK(storage_of(g, g.find(flat)) == g.find(x));
}
