#include "lib/ir/dim_normal.hpp"

#include <limits>
#include <memory>
#include <random>

#include "test/support/catch.hpp"

using namespace kroton;
using namespace kroton::ir;

namespace {

const Dim n = dim("n"), m = dim("m");
const auto scalar_leaf = std::make_shared<int>();
const Dim k = dims::scalar(scalar_leaf, "k");

std::int64_t value_of(const Dim& d, std::int64_t at_n, std::int64_t at_m = 0,
                      std::int64_t at_k = 0) {
  return dims::evaluate(d, [&](const DimNode& s) {
    return s.name == "n" ? at_n : s.name == "m" ? at_m : at_k;
  });
}

Dim plus(const Dim& d, std::int64_t c) {
  return c < 0 ? dims::sub(d, Dim(-c)) : dims::add(d, Dim(c));
}
Dim natural(const Dim& d) { return dims::max(d, Dim(0)); }
/// How far two dims are from each other, not below zero.
Dim span(const Dim& from, const Dim& to) { return natural(dims::sub(to, from)); }
/// ceil(d / c)
Dim steps(const Dim& d, std::int64_t c) { return dims::floor_div(plus(d, c - 1), Dim(c)); }

std::string text_of(const Dim& d) { return dims::normal(d).to_string(); }

/// A dim made of n, m, k and numbers.
Dim random_dim(std::mt19937& rng, int depth) {
  const auto draw = [&](int most) { return std::uniform_int_distribution<int>(0, most)(rng); };
  if (depth == 0 || draw(5) == 0) {
    switch (draw(5)) {
    case 0:
      return m;
    case 1:
      return k;
    case 2:
      return plus(Dim(0), draw(10) - 5);
    default:
      return n;
    }
  }
  const Dim a = random_dim(rng, depth - 1);
  switch (draw(7)) {
  case 0:
    return dims::mul(a, plus(Dim(0), draw(6) - 3));
  case 1:
    return dims::floor_div(a, Dim(1 + draw(3)));
  case 2:
    return plus(a, draw(12) - 6);
  case 3:
    return dims::mul(a, random_dim(rng, depth - 1));
  case 4:
    return dims::sub(a, random_dim(rng, depth - 1));
  case 5:
    return dims::min(a, random_dim(rng, depth - 1));
  default:
    return dims::max(a, random_dim(rng, depth - 1));
  }
}

} // namespace

TEST_CASE("lengths of the slices of a stencil have one form", "[dim]") {
  const Dim first = span(Dim(0), natural(plus(n, -2))),
            second = span(dims::min(n, Dim(1)), natural(plus(n, -1))),
            third = span(dims::min(n, Dim(2)), n);
  CHECK(text_of(first) == "max((n-2),0)");
  CHECK(dims::same(dims::normal(first), dims::normal(second)));
  CHECK(dims::same(dims::normal(first), dims::normal(third)));
  // Not a[-3:-1] beside a[-2:], which differ in the shortest arrays.
  CHECK_FALSE(dims::same(dims::normal(span(natural(plus(n, -3)), natural(plus(n, -1)))),
                         dims::normal(span(natural(plus(n, -2)), n))));
}

TEST_CASE("quotients of dims have one form", "[dim]") {
  // a[:-1:2] beside a[1::2]
  CHECK(dims::same(dims::normal(steps(natural(plus(n, -1)), 2)),
                   dims::normal(steps(span(dims::min(n, Dim(1)), n), 2))));
  CHECK(text_of(steps(n, 2)) == "(n+1)/2");
  CHECK(text_of(dims::floor_div(plus(n, 7), Dim(3))) == "((n+1)/3+2)");
  CHECK(text_of(dims::floor_div(plus(dims::mul(n, Dim(4)), 3), Dim(2))) == "(n*2+1)");
  // a[::2][::3] beside a[::6]
  CHECK(dims::same(dims::normal(steps(steps(n, 2), 3)), dims::normal(steps(n, 6))));
}

TEST_CASE("a sum of dims has each of them once", "[dim]") {
  CHECK(text_of(dims::sub(dims::add(n, plus(m, 2)), n)) == "(m+2)");
  CHECK(text_of(dims::mul(plus(n, 1), Dim(2))) == "(n*2+2)");
  CHECK(text_of(dims::min(dims::add(n, m), plus(n, 3))) == "(n+min(m,3))");
  CHECK(text_of(natural(plus(dims::add(n, m), -2))) == "max(((n+m)-2),0)");
  CHECK(dims::same(dims::normal(span(dims::min(dims::add(n, m), Dim(1)), dims::add(n, m))),
                   dims::normal(natural(plus(dims::add(n, m), -1)))));
}

TEST_CASE("what is as simple as it can be stays as it was", "[dim]") {
  for (const Dim& d : {n, k, Dim(3), dims::min(n, Dim(4)), natural(plus(n, -3)), dims::max(n, m),
                       dims::max(k, Dim(0)), dims::mul(n, m), dims::add(n, m),
                       dims::floor_div(n, m), dims::min(n, Dim(std::int64_t{1} << 50))})
    CHECK(text_of(d) == d.to_string());
}

TEST_CASE("normal forms have the values of what they were made of", "[dim]") {
  std::mt19937 rng(20231);
  for (int i = 0; i < 4000; ++i) {
    const Dim d = random_dim(rng, 4), once = dims::normal(d);
    CAPTURE(i, d.to_string(), once.to_string());
    const auto least = dims::lower_bound(d);
    for (std::int64_t at_n : {0, 1, 2, 3, 4, 5, 7, 11, 40})
      for (std::int64_t at_m : {0, 1, 2, 6})
        for (std::int64_t at_k : {-9, -1, 0, 4}) {
          const std::int64_t value = value_of(d, at_n, at_m, at_k);
          if (value != value_of(once, at_n, at_m, at_k) || (least && value < *least))
            FAIL("n = " << at_n << ", m = " << at_m << ", k = " << at_k);
        }
  }
}

TEST_CASE("functions of one size that are equal have one form", "[dim]") {
  std::mt19937 rng(5);
  std::map<std::vector<std::int64_t>, Dim> form_of;
  const auto draw = [&](int most) { return std::uniform_int_distribution<int>(0, most)(rng); };
  for (int i = 0; i < 20000; ++i) {
    Dim d = n;
    for (int step = draw(4); step >= 0; --step) {
      switch (draw(3)) {
      case 0:
        d = plus(d, draw(8) - 4);
        break;
      case 1:
        d = dims::min(d, plus(draw(1) ? n : Dim(0), draw(6)));
        break;
      case 2:
        d = dims::max(d, plus(draw(1) ? n : Dim(0), draw(6) - 5));
        break;
      default:
        d = dims::sub(d, dims::min(n, Dim(draw(4))));
      }
    }
    std::vector<std::int64_t> values;
    for (std::int64_t at = 0; at < 80; ++at) values.push_back(value_of(d, at));
    const Dim form = dims::normal(d);
    const auto [it, is_new] = form_of.emplace(std::move(values), form);
    CAPTURE(d.to_string(), it->second.to_string(), form.to_string());
    if (!is_new) REQUIRE(dims::same(it->second, form));
    REQUIRE(dims::same(dims::normal(form), form));
  }
  CHECK(form_of.size() > 200);
}

TEST_CASE("a position below a size is not cut off by it", "[dim]") {
  CHECK(dims::below(dims::min(n, Dim(3)), n).is(3));
  const Dim shorter = natural(plus(n, -1));
  CHECK(dims::below(dims::min(shorter, Dim(2)), shorter).is(2));
  CHECK_FALSE(dims::below(dims::min(n, Dim(3)), m).is_static());
  CHECK_FALSE(dims::below(natural(plus(n, -3)), n).is_static());
  CHECK(dims::below(Dim(5), n).is(5));
}

TEST_CASE("numbers at the ends of int64 have a form", "[dim]") {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t c : {most, most - 1, std::int64_t{1} << 41}) {
    const Dim cut = dims::min(n, Dim(c)), d = span(cut, n);
    CHECK(value_of(dims::normal(d), most) == most - c);
    CHECK(value_of(dims::normal(cut), 7) == 7);
    CHECK(value_of(dims::normal(dims::floor_div(plus(n, 1), Dim(c))), most - 1) == (most / c));
  }
}

TEST_CASE("the least that a dim comes to", "[dim]") {
  CHECK(dims::lower_bound(plus(dims::add(n, m), 2)) == 2);
  CHECK(dims::lower_bound(dims::max(plus(n, -3), Dim(1))) == 1);
  CHECK(dims::lower_bound(steps(plus(n, 1), 2)) == 1);
  CHECK_FALSE(dims::lower_bound(plus(k, 1)).has_value());
  CHECK_FALSE(dims::lower_bound(dims::sub(n, m)).has_value());
}
