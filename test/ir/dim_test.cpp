#include "lib/ir/dim.hpp"

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

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

TEST_CASE("sums and products of dims that an int64 does not hold are refused", "[dim]") {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const Dim n = dim("n"), m = dim("m"), half(std::int64_t{1} << 32), large(most);
  CHECK_THROWS_AS(dims::mul(half, half), DimOverflow);
  CHECK_THROWS_AS(dims::add(large, Dim(1)), DimOverflow);
  CHECK_THROWS_AS(dims::mul(dims::mul(n, half), half), DimOverflow);
  CHECK_THROWS_AS(dims::add(dims::add(n, large), Dim(1)), DimOverflow);
  CHECK_THROWS_AS(dims::product(std::vector<Dim>{half, n, half}), DimOverflow);
  CHECK_THROWS_AS(dims::sub(dims::sub(Dim(0), large), Dim(1)), DimOverflow);
  CHECK(dims::mul(Dim(3037000499), Dim(3037000499)).is(9223372030926249001));
  const auto big = [](const DimNode&) { return std::int64_t{1} << 40; };
  CHECK_FALSE(dims::try_evaluate(dims::mul(n, m), big).has_value());
  CHECK_FALSE(dims::try_evaluate(dims::min(dims::mul(n, m), Dim(5)), big).has_value());
  CHECK(dims::try_evaluate(dims::add(n, m), big) == std::int64_t{1} << 41);
  CHECK_THROWS_AS(value_of(dims::mul(n, m), most, 2), DimOverflow);
  CHECK(value_of(dims::mul(n, m), most, 0) == 0);
}

TEST_CASE("a quotient of dims rounds down at the ends of int64", "[dim]") {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const Dim n = dim("n"), m = dim("m");
  const Dim ceiling = dims::add(dims::floor_div(dims::sub(n, Dim(1)), m), Dim(1));
  CHECK(value_of(ceiling, most, most) == 1);
  CHECK(value_of(ceiling, most, 1) == most);
  CHECK(value_of(ceiling, 0, most) == 0);
  CHECK(value_of(dims::floor_div(dims::sub(n, m), Dim(2)), 0, most) == -(most / 2) - 1);
}

TEST_CASE("what sizes cannot make negative needs no maximum with 0", "[dim]") {
  const Dim n = dim("n"), k = dims::scalar(std::make_shared<int>(), "k");
  const Dim sum = dims::add(dims::mul(n, Dim(2)), Dim(1));
  CHECK(dims::same(dims::max(sum, Dim(0)), sum));
  CHECK_FALSE(dims::same(dims::max(dims::sub(n, Dim(1)), Dim(0)), dims::sub(n, Dim(1))));
  CHECK_FALSE(dims::same(dims::max(dims::add(k, n), Dim(0)), dims::add(k, n)));
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
