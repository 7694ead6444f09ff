/// Mapped functions, compiled: sizes that are known in the call alone, empty axes, and mapped axes
/// that turn out to differ.
#include <kroton/core.hpp>
#include <kroton/ops/contraction.hpp>

#include <cmath>
#include <string>
#include <vector>

#include "test/support/catch.hpp"

namespace kt = kroton;
using kt::Array;
using kt::Expr;

namespace {

Array counted(kt::Shape shape) {
  Array a = Array::empty(kt::DType::f32, shape);
  for (std::int64_t i = 0; i < a.numel(); ++i) a.data<float>()[i] = std::sin(static_cast<float>(i));
  return a;
}

/// One layer for one example, its norm, and an element that the example itself picks.
std::vector<Expr> layer(const std::vector<Expr>& v) {
  const Expr &x = v[0], &w = v[1], &label = v[2];
  const Expr h = kt::tanh(kt::dot(x, w));
  return {kt::softmax(h), kt::sqrt(kt::sum(h * h)), kt::index(h, {label}), kt::argmax(h, 0)};
}

} // namespace

TEST_CASE("a mapped function, compiled, gives what the function gives for each element",
          "[function][vmap]") {
  const Expr xs = kt::matrix<float>("xs"), x = kt::vector<float>("x"), w = kt::matrix<float>("w"),
             labels = kt::vector<int>("labels"), label = kt::scalar<int>("label");
  const kt::Function all =
      kt::function({xs, w, labels}, kt::vmap(layer, {0, {}, 0})({xs, w, labels}));
  const kt::Function one = kt::function({x, w, label}, layer({x, w, label}));
  for (std::int64_t n : {0, 1, 5, 33}) {
    const Array rows = counted({n, 7}), weights = counted({7, 4});
    Array picks = Array::empty(kt::DType::i32, {n});
    for (std::int64_t i = 0; i < n; ++i) picks.data<int>()[i] = static_cast<int>(i % 4);
    const std::vector<Array> got = all({rows, weights, picks});
    REQUIRE(got[0].shape() == kt::Shape{n, 4});
    for (std::int64_t i = 0; i < n; ++i) {
      const auto want = one({rows.slice(0, i, i + 1).reshape({7}).copy(), weights,
                             picks.slice(0, i, i + 1).reshape({}).copy()});
      INFO("element " << i << " of " << n);
      for (std::int64_t k = 0; k < 4; ++k)
        CHECK(std::fabs(got[0].at<float>({i, k}) - want[0].at<float>({k})) <= 1e-6F);
      CHECK(std::fabs(got[1].at<float>({i}) - want[1].item<float>()) <= 1e-5F);
      CHECK(std::fabs(got[2].at<float>({i}) - want[2].item<float>()) <= 1e-6F);
      CHECK(got[3].at<std::int64_t>({i}) == want[3].item<std::int64_t>());
    }
  }
}

TEST_CASE("mapped axes that differ are refused by the call", "[function][vmap][errors]") {
  const Expr a = kt::matrix<float>("a"), b = kt::matrix<float>("b");
  const auto both = [](const std::vector<Expr>& v) {
    return std::vector<Expr>{kt::sum(v[0]), kt::sum(v[1])}; // which never meet
  };
  const kt::Function f = kt::function({a, b}, kt::vmap(both)({a, b}));
  std::string message;
  try {
    f({counted({3, 2}), counted({4, 2})});
  } catch (const kt::ShapeError& e) {
    message = e.what();
  }
  CHECK_THAT(message, kt::test::contains("mapped axes differ"));
  CHECK_THAT(message, kt::test::contains("vmap_test.cpp"));
}
