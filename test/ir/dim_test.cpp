#include "lib/ir/dim.hpp"

#include "test/support/catch.hpp"

using namespace kroton;
using namespace kroton::ir;

namespace {

std::int64_t value_of(const Dim& d, std::int64_t n, std::int64_t m = 0) {
  return dims::evaluate(d, [&](const DimNode& s) { return s.name == "n" ? n : m; });
}

} // namespace

TEST_CASE("dims of equal names are equal, unknown ones only to themselves", "[dim]") {
  CHECK(dims::same(dim("n"), dim("n")));
  CHECK_FALSE(dims::same(dim("n"), dim("m")));
  const Dim unknown = dim();
  CHECK(dims::same(unknown, unknown));
  CHECK_FALSE(dims::same(unknown, dim()));
  CHECK(dims::same(Dim(3), Dim(3)));
}

TEST_CASE("arithmetic on dims folds what it can", "[dim]") {
  const Dim n = dim("n"), m = dim("m");
  CHECK(dims::add(Dim(2), Dim(3)).is(5));
  CHECK(dims::same(dims::add(n, Dim(0)), n));
  CHECK(dims::same(dims::mul(n, Dim(1)), n));
  CHECK(dims::mul(n, Dim(0)).is(0));
  CHECK(dims::sub(n, n).is(0));
  CHECK(dims::same(dims::floor_div(dims::mul(n, m), m), n));
  CHECK(dims::same(dims::floor_div(dims::mul(n, Dim(6)), Dim(3)), dims::mul(n, Dim(2))));
  CHECK(dims::same(dims::add(dims::add(n, Dim(2)), Dim(3)), dims::add(n, Dim(5))));
  CHECK(dims::same(dims::mul(n, m), dims::mul(m, n)));
  CHECK_FALSE(dims::same(dims::floor_div(n, m), dims::floor_div(m, n)));
}

TEST_CASE("dims evaluate to what they say, below zero on the way too", "[dim]") {
  const Dim n = dim("n"), m = dim("m");
  CHECK(value_of(dims::sub(n, Dim(3)), 10) == 7);
  CHECK(value_of(dims::max(dims::sub(n, Dim(3)), Dim(0)), 2) == 0);
  CHECK(value_of(dims::min(n, Dim(4)), 9) == 4);
  CHECK(value_of(dims::floor_div(dims::add(n, Dim(1)), Dim(2)), 5) == 3);
  CHECK(value_of(dims::sub(n, m), 7, 2) == 5);
}

TEST_CASE("substitution replaces symbols and folds again", "[dim]") {
  const Dim d = dims::add(dims::mul(dim("n"), Dim(2)), Dim(1));
  const Dim replaced = dims::substitute(d, [](const Dim&) { return Dim(5); });
  CHECK(replaced.is(11));
}

TEST_CASE("dims print as they were written", "[dim]") {
  CHECK(dim("n").to_string() == "n");
  CHECK(dim().to_string() == "?");
  CHECK(dims::sub(dim("n"), Dim(1)).to_string() == "(n-1)");
  const std::vector<Dim> shape{dim("n"), Dim(784)};
  CHECK(dims::to_string(shape) == "[n,784]");
}

TEST_CASE("a negative size is refused with a hint", "[dim]") {
  CHECK_THROWS_AS(Dim(-2), ShapeError);
}
