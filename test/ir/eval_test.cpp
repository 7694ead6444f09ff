/// What the reference evaluator makes of ops of each kind when it evaluates widened.
#include "lib/ir/eval.hpp"

#include <algorithm>
#include <vector>

#include "lib/ir/extended.hpp"
#include "lib/ops/basic.hpp"
#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"

#include <kroton/ops/basic.hpp>

using namespace kroton;

namespace {

/// In ascending order. Widened, the elements are sums of two f64, which stay together.
Array eval_sorted(const ir::EvalContext& c) {
  const ir::Terms<double> from(c, 0);
  Array out = Array::empty(DType::f64, Shape(c.shape.begin(), c.shape.end()));
  std::vector<long double> elements(static_cast<std::size_t>(out.numel()));
  for (std::size_t i = 0; i < elements.size(); ++i)
    elements[i] = from[static_cast<std::int64_t>(i)];
  std::ranges::sort(elements);
  const ir::Results<double> to(c, out);
  for (std::size_t i = 0; i < elements.size(); ++i)
    to.set(static_cast<std::int64_t>(i), elements[i]);
  return out;
}

ir::Type infer_sorted(ir::InferContext& c) { return c.in(0); }

const ir::Op sorted{
    .name = "sorted", .kind = ir::Kind::library, .infer = infer_sorted, .eval = eval_sorted};
/// Says nothing of what its f64 leave out.
const ir::Op carelessly_sorted{.name = "carelessly-sorted",
                               .kind = ir::Kind::library,
                               .infer = infer_sorted,
                               .eval = [](const ir::EvalContext& c) {
                                 Array out = c.inputs[0].contiguous().copy();
                                 std::sort(out.data<double>(), out.data<double>() + out.numel());
                                 return out;
                               }};

const Expr x = tensor<double>({2}, "x"), y = tensor<double>({2}, "y");

/// sort(x + y) - [1, 2], widened.
Array excess(const ir::Op& sort) {
  const Expr whole = constant(Array::from({1.0, 2.0}));
  const Expr e = ir::make(sort, {x + y}, {}, Location::current()) - whole;
  const ir::Graph g = ir::Graph::capture({&e, 1});
  ir::Bindings bindings;
  bindings.values.emplace(g.find(x), Array::from({2.0, 1.0}));
  bindings.values.emplace(g.find(y), Array::from({0x1p-60, 0x1p-58}));
  return ir::evaluate(g, g.outputs(), bindings, ir::Precision::widened)[0];
}

} // namespace

TEST_CASE("an op that computes with whole arrays is evaluated widened as a whole", "[ir][eval]") {
  // Sorted by themselves, the parts beyond f64 would change places.
  const Array result = excess(sorted);
  CHECK(result.data<double>()[0] == 0x1p-58);
  CHECK(result.data<double>()[1] == 0x1p-60);
}

TEST_CASE("an evaluator that leaves out what its f64 lack is refused", "[ir][eval]") {
  const auto message = kroton::test::message_of<InternalError>([] { excess(carelessly_sorted); });
  INFO(message);
  CHECK(message.find("the evaluator of carelessly-sorted") != message.npos);
}
