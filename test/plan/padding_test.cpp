#include "lib/plan/padding.hpp"

#include <kroton/ops/basic.hpp>
#include <kroton/random.hpp>

#include "lib/plan/plan.hpp"
#include "test/support/catch.hpp"

using namespace kroton;
using namespace kroton::plan;

namespace {

Plan plan_of(const std::vector<Expr>& outputs) {
  return make_plan(ir::Graph::capture(outputs), {.outputs = outputs.size()});
}

/// Distances between the rows of the plan's intermediate arrays, as text.
std::vector<std::string> row_distances(const Plan& p) {
  std::vector<std::string> rows;
  for (const Buffer& b : p.buffers)
    if (b.kind == BufferKind::temp) rows.push_back(b.strides[b.strides.size() - 2].to_string());
  return rows;
}

using Rows = std::vector<std::string>;

} // namespace

TEST_CASE("short rows between steps begin at cache lines", "[plan]") {
  const Expr x = tensor<float>({dim("n"), 16}, "x"), w = tensor<float>({16, 30}, "w"),
             b = tensor<float>({30}, "b"), v = tensor<float>({30, 30}, "v");
  const Plan p = plan_of({dot(tanh(dot(x, w) + b), v)});
  CHECK(row_distances(p) == Rows{"32"});
  CHECK(p.buffers.back().kind == BufferKind::output);
  CHECK(p.buffers.back().strides[0].is(30));
}

TEST_CASE("rows stay dense where nothing walks them one by one, or they are long or tiny",
          "[plan]") {
  const auto rows_of = [](std::int64_t n) {
    const Expr x = tensor<float>({dim("n"), 16}, "x"), w = tensor<float>({16, n}, "w"),
               b = tensor<float>({n}, "b"), v = tensor<float>({n, 20}, "v");
    return row_distances(plan_of({dot(tanh(dot(x, w) + b), v)}));
  };
  CHECK(rows_of(8) == Rows{"16"});
  CHECK(rows_of(7) == Rows{"7"});
  CHECK(rows_of(16) == Rows{"16"});
  CHECK(rows_of(63) == Rows{"64"});
  CHECK(rows_of(65) == Rows{"65"});
  const Expr x = tensor<float>({dim("n"), 30}, "x"), w = tensor<float>({30, 30}, "w");
  CHECK(row_distances(plan_of({dot(tanh(dot(x, w)), w)})) == Rows{"30"});
}

TEST_CASE("arrays that are reshaped, or summed from front to back, stay dense", "[plan]") {
  const Expr x = tensor<float>({dim("n"), 30}, "x"), w = tensor<float>({30, 30}, "w"),
             b = tensor<float>({30}, "b");
  const Expr h = dot(x, w);
  CHECK(row_distances(plan_of({dot(h + b, w)})) == Rows{"32"});
  CHECK(row_distances(plan_of({dot(h + b, w), dot(reshape(h, {30, -1}), x)})) == Rows{"30", "32"});
  CHECK(row_distances(plan_of({dot(h + b, w), sum(exp(h))})) == Rows{"30"});
}
