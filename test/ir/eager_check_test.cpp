/// EagerCheck: expressions evaluated on samples while they are built.
#include <kroton/eager_check.hpp>
#include <kroton/grad.hpp>
#include <kroton/ops/indexing.hpp>
#include <kroton/ops/parts.hpp>
#include <kroton/ops/reduction.hpp>

#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

template <class F> std::string message_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

} // namespace

TEST_CASE("expressions have values while they are built", "[ir][eager-check]") {
  const Expr x = matrix<double>("x"), n = scalar<std::int64_t>("n");
  const Shared w = shared(Array::from<double>({2, 3}), "w");
  const EagerCheck check(
      {{x, Array::from<double>({1, 2, 3, 4, 5, 6}, {3, 2})}, {n, Array::scalar<std::int64_t>(4)}});
  const Expr y = sum(x * w, {1});
  CHECK(check.value(y).to_vector<double>() == std::vector<double>{8, 18, 28});
  CHECK(check.value(x).shape() == Shape{3, 2});
  CHECK(check.value(w).to_vector<double>() == std::vector<double>{2, 3});
  // Sizes that the samples tell, those made of sizes, and those of integers.
  CHECK(check.value(reshape(x, {x.dim(0) * x.dim(1)})).shape() == Shape{6});
  CHECK(check.value(arange(n)).to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 1, 2, 3});
  // Ops with several results, gradients.
  const auto parts = frexp(y);
  CHECK(check.value(parts.exponent).to_vector<std::int32_t>() ==
        std::vector<std::int32_t>{4, 5, 5});
  CHECK(check.value(grad(sum(y * y), x)).to_vector<double>() ==
        std::vector<double>{32, 48, 72, 108, 112, 168});
}

TEST_CASE("what does not fit is met where it is written", "[ir][eager-check]") {
  const Expr x = matrix<float>("x"), w = matrix<float>("w"), i = vector<std::int64_t>("i");
  const EagerCheck check({{x, Array::zeros<float>({32, 7})},
                          {w, Array::zeros<float>({10, 5})},
                          {i, Array::from<std::int64_t>({3, 32})}});
  int line = 0;
  std::string text = message_of([&] {
    line = __LINE__ + 1;
    return dot(x, w);
  });
  INFO(text);
  CHECK_THAT(text, contains("7"));
  CHECK_THAT(text, contains("10"));
  CHECK_THAT(text, contains("eager_check_test.cpp:" + std::to_string(line)));
  text = message_of([&] { return index(x, {i}); });
  INFO(text);
  CHECK_THAT(text, contains("32"));
  CHECK_THAT(text, contains("eager_check_test.cpp"));
  text = message_of([&] { return x + index(w, {Range{0, 3}}); });
  CHECK_THAT(text, contains("x f32[32,7]"));
}

TEST_CASE("samples must fit their inputs, and expressions have samples", "[ir][eager-check]") {
  const Dim n = dim("n");
  const Expr x = tensor<float>({n, 3}, "x"), y = tensor<float>({n}, "y");
  const auto with = [&](const Array& a, const Array& b) {
    return message_of([&] { const EagerCheck check({{x, a}, {y, b}}); });
  };
  const Array four = Array::zeros<float>({4}), wide = Array::zeros<float>({4, 3});
  CHECK(with(wide, four) == "nothing was thrown");
  CHECK_THAT(with(Array::zeros<double>({4, 3}), four), contains("f64[4,3]"));
  CHECK_THAT(with(Array::zeros<float>({4, 2}), four), contains("axis 1 must have 3 elements"));
  CHECK_THAT(with(wide, Array::zeros<float>({5})), contains("axis 0 must have 4 elements"));
  CHECK_THAT(with(four, four), contains("f32[4]"));
  const Expr early = x + 1.f;
  CHECK_THAT(message_of([&] { const EagerCheck check({{early, wide}}); }), contains("no input"));

  const EagerCheck outer({{x, wide}});
  const Expr half = x * 2.f, other = y * 2.f;
  CHECK(outer.value(half).shape() == Shape{4, 3});
  CHECK_THAT(message_of([&] { return outer.value(other); }), contains("no value for the samples"));
  CHECK_THAT(message_of([&] { return outer.value(early); }), contains("no value for the samples"));
  {
    const EagerCheck inner({{y, four}});
    const Expr both = y * 3.f, again = x * 3.f;
    CHECK(inner.value(both).shape() == Shape{4});
    CHECK(outer.value(again).shape() == Shape{4, 3});
  }
  CHECK(outer.value(x - 1.f).shape() == Shape{4, 3});
}

} // namespace kroton::test
