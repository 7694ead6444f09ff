/// Running sums through library calls, in every dtype and along every axis.
#include <kroton/core.hpp>
#include <kroton/ops/reduction.hpp>

#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

/// Elements that few digits hold, so that sums of floats are exact.
Array whole_numbers(DType t, const Shape& shape, std::uint64_t seed) {
  Rng rng(seed);
  Array a = Array::empty(DType::i64, shape);
  for (std::int64_t i = 0; i < a.numel(); ++i)
    a.data<std::int64_t>()[i] = is_bool(t) || is_unsigned_int(t) ? rng.below(2) : rng.below(17) - 8;
  return a.astype(t);
}

} // namespace

namespace {

void check_running_sums(DType t, const std::vector<Shape>& shapes) {
  const Expr x = tensor(t, {dim(), dim(), dim()}, "x");
  const std::vector<Expr> outputs{cumsum(x), cumsum(transpose(x)), cumsum(x, 0), cumsum(x, 1),
                                  cumsum(cumsum(x, 1), -1)};
  CHECK(outputs[0].dtype() == sum(x).dtype());
  const Function f = function({x}, outputs);
  for (const Shape& shape : shapes) {
    const Array given = whole_numbers(t, shape, 3);
    const std::vector<Array> got = f({given}), want = reference({x}, {given}, outputs);
    for (std::size_t i = 0; i < want.size(); ++i) {
      INFO(to_string(t) << ", " << given.label() << ", output " << i);
      CHECK(difference(got[i], want[i], {.checks_zero_sign = false}) == "");
    }
  }
}

} // namespace

TEST_CASE("running sums equal the evaluator's, along any axis", "[conformance][anywhere]") {
  for (DType t : {DType::bool_, DType::i16, DType::u8, DType::f32, DType::f64})
    check_running_sums(t, {{2, 3, 5}, {1, 1, 1}, {0, 3, 4}, {3, 0, 4}, {3, 4, 0}, {1, 2, 260}});
}

TEST_CASE("running sums in every dtype, of long lines and of many", "[conformance]") {
  for (DType t : all_dtypes) check_running_sums(t, {{2, 300, 3}, {3, 2, 700}, {2, 3, 200}});
}

TEST_CASE("running sums of f32 keep their digits, whatever the thread count", "[conformance]") {
  const Expr x = matrix<float>("x");
  const std::vector<Expr> outputs{cumsum(x, 0), cumsum(x, 1)};
  Rng rng(7);
  Array given = Array::empty<float>({1000, 1000});
  for (std::int64_t i = 0; i < given.numel(); ++i)
    given.data<float>()[i] = static_cast<float>(rng.uniform(0, 1));
  const auto exact = reference({x}, {given}, outputs, ir::Precision::widened);
  std::vector<Array> first;
  for (int threads : {1, 2, 4}) {
    const auto got = function({x}, outputs, {.threads = threads})({given});
    for (std::size_t i = 0; i < got.size(); ++i) {
      const Array rounded = exact[i].astype(DType::f32);
      CHECK(difference(got[i], rounded, {.ulps = 0.51, .exact = &exact[i]}) == "");
      if (threads > 1) CHECK(equal(got[i], first[i]));
    }
    first = got;
  }
}

TEST_CASE("running sums refuse what has no axes", "[conformance]") {
  CHECK_THROWS_AS(cumsum(scalar<float>("x")), ShapeError);
  CHECK_THROWS_AS(cumsum(vector<float>("x"), 1), ShapeError);
}

} // namespace kroton::test
