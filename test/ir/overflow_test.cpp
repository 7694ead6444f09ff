/// Which elements depend on a value that overflowed.
#include "lib/ir/overflow.hpp"

#include <vector>

#include <kroton/ops/basic.hpp>
#include <kroton/ops/contraction.hpp>
#include <kroton/ops/scatter.hpp>
#include <kroton/ops/parts.hpp>
#include <kroton/ops/reduction.hpp>

#include "test/support/catch.hpp"

using namespace kroton;

namespace {

const Expr x = tensor<double>({2, 3}, "x");

/// Of e, where x is [[1, 1000, 2], [inf, 3, 4]]: exp overflows at 1000, and inf is given.
std::vector<bool> marks(const Expr& e) {
  const double infinity = std::numeric_limits<double>::infinity();
  const ir::Graph g = ir::Graph::capture({&e, 1});
  ir::Bindings bindings;
  bindings.values.emplace(g.find(x), Array::from({1.0, 1000.0, 2.0, infinity, 3.0, 4.0}, {2, 3}));
  const Array found = ir::overflowed(g, g.outputs(), bindings)[0].contiguous();
  std::vector<bool> result;
  for (std::int64_t i = 0; i < found.numel(); ++i)
    result.push_back(std::as_const(found).data<double>()[i] != 0);
  return result;
}

using Marks = std::vector<bool>;

} // namespace

TEST_CASE("an element that overflows is marked, and what is computed from it", "[ir][eval]") {
  CHECK(marks(x + 1) == Marks{false, false, false, false, false, false});
  CHECK(marks(exp(x)) == Marks{false, true, false, false, false, false});
  CHECK(marks(log(1 + exp(x)) - 2) == Marks{false, true, false, false, false, false});
  CHECK(marks(where(exp(x) - exp(x) > 2, x, 2.0)) ==
        Marks{false, true, false, false, false, false});
}

TEST_CASE("marks move with the elements", "[ir][eval]") {
  CHECK(marks(transpose(exp(x))) == Marks{false, false, true, false, false, false});
  CHECK(marks(slice(exp(x), {{0, 1}, {1, {}}})) == Marks{true, false});
  CHECK(marks(broadcast_to(slice(exp(x), {{0, 1}}), {2, 3})) ==
        Marks{false, true, false, false, true, false});
  const Expr rows = constant(Array::from<std::int64_t>({1, 0}));
  CHECK(marks(index(exp(x), {rows})) == Marks{false, false, false, false, true, false});
  CHECK(marks(index_add({3, 3}, {rows}, exp(x))) ==
        Marks{false, false, false, false, true, false, false, false, false});
}

TEST_CASE("a row that has a mark or overflows as it is folded is marked", "[ir][eval]") {
  CHECK(marks(sum(exp(x), {1})) == Marks{true, false});
  CHECK(marks(max(exp(x), {0})) == Marks{false, true, false});
  CHECK(marks(sum(x * 0 + 1e308, {1})) == Marks{true, false});
  CHECK(marks(cast<double>(argmax(exp(x), 1))) == Marks{true, false});
}

TEST_CASE("products and parts are marked as a whole", "[ir][eval]") {
  CHECK(marks(dot(exp(x), transpose(x))) == Marks{true, true, true, true});
  CHECK(marks(dot(x, transpose(x))) == Marks{false, false, false, false});
  CHECK(marks(divmod(exp(x), 2.0).quotient) == Marks{true, true, true, true, true, true});
}
