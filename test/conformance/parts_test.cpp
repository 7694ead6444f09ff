/// Ops with several results, compiled: whichever of their parts are used, in outputs, updates and
/// further expressions, on either target.
#include <kroton/core.hpp>
#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/parts.hpp>

#include <cmath>
#include <limits>

#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

/// Two parts of one node.
struct Parts {
  std::string what;
  Expr first, second;
  bool is_one_kernel = true;
};

/// Of x [n, m] and y [m].
std::vector<Parts> parts_of(const Expr& x, const Expr& y) {
  std::vector<Parts> all;
  for (int axis : {0, 1, -2})
    for (bool keepdims : {false, true}) {
      const auto [top, at] = max_and_argmax(x, axis, keepdims);
      all.push_back(
          {fmt::format("max-and-argmax over axis {}{}", axis, keepdims ? ", kept" : ""), top, at});
    }
  const auto [of_view, at_view] = max_and_argmax(transpose(x), 0);
  all.push_back({"max-and-argmax of a transposed array", of_view, at_view});
  if (!is_bool(x.dtype())) {
    const auto [q, r] = divmod(x, y);
    all.push_back({"divmod", q, r});
    const auto [q2, r2] = divmod(x, 3);
    all.push_back({"divmod by a number", q2, r2});
  }
  const auto [m, e] = frexp(x);
  all.push_back({"frexp", m, e});
  return all;
}

Array numbers(DType t, const Shape& shape, std::uint64_t seed) {
  Rng rng(seed);
  return moderate(t, shape, rng);
}

} // namespace

TEST_CASE("parts of one node equal the evaluator, whichever of them are used",
          "[conformance][anywhere][parts]") {
  for (DType t : {DType::bool_, DType::i8, DType::i32, DType::u64, DType::f32, DType::f64}) {
    const Expr x = tensor(t, {dim(), dim()}, "x"), y = tensor(t, {dim()}, "y");
    const std::vector<Parts> all = parts_of(x, y);
    std::vector<Expr> both, firsts, seconds;
    for (const Parts& p : all) {
      both.insert(both.end(), {p.first, p.second});
      firsts.push_back(p.first);
      seconds.push_back(p.second);
    }
    for (const std::vector<Expr>& outputs : {both, firsts, seconds})
      for (Mode mode : {Mode::fast, Mode::plain}) {
        const Function f = function({x, y}, outputs, {.mode = mode});
        for (const Shape& shape : {Shape{5, 7}, Shape{1, 1}, Shape{40, 33}}) {
          const std::vector<Array> arguments{numbers(t, shape, 3), numbers(t, {shape[1]}, 4)};
          const std::vector<Array> got = f(arguments), want = reference({x, y}, arguments, outputs);
          for (std::size_t i = 0; i < want.size(); ++i) {
            INFO(to_string(t) << ", output " << i << " of " << outputs.size() << ", mode "
                              << static_cast<int>(mode));
            CHECK(difference(got[i], want[i], {.checks_zero_sign = false}) == "");
          }
        }
      }
  }
}

TEST_CASE("parts of one node are new values of variables, in the same call as outputs",
          "[conformance][anywhere][parts]") {
  const Expr x = matrix<float>("x");
  const Shared best = shared(Array::zeros<float>({3}), "best"),
               at = shared(Array::zeros<std::int64_t>({3}), "at");
  const auto [top, position] = max_and_argmax(x + expand_dims(best, {1}), 1);
  const Function f = function({x}, {top * 2}, {.updates = {{best, top}, {at, position}}});
  const Array rows = Array::from(std::vector<float>{1, 5, 2, 4, 4, 1, 0, -1, 7}, {3, 3});
  CHECK(f({rows})[0].to_vector<float>() == std::vector<float>{10, 8, 14});
  CHECK(best.get().to_vector<float>() == std::vector<float>{5, 4, 7});
  CHECK(at.get().to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 0, 2});
  f({rows});
  CHECK(best.get().to_vector<float>() == std::vector<float>{10, 8, 14});
}

TEST_CASE("the parts of one node share a kernel", "[conformance][parts]") {
  const Expr x = matrix<float>("x"), y = vector<float>("y");
  const auto [top, at] = max_and_argmax(x, 1);
  CHECK(function({x}, {top, at}).stats().kernels == 1);
  const auto [q, r] = divmod(x, y);
  CHECK(function({x, y}, {q, r}).stats().kernels == 1);
  const auto [m, e] = frexp(x);
  CHECK(function({x}, {m, e}).stats().kernels == 1);
}

TEST_CASE("Mode::verify follows parts", "[conformance][parts]") {
  for (DType t : {DType::i32, DType::f32, DType::f64}) {
    const Expr x = tensor(t, {dim(), dim()}, "x"), y = tensor(t, {dim()}, "y");
    std::vector<Expr> outputs;
    for (const Parts& p : parts_of(x, y))
      outputs.insert(outputs.end(), {p.first * 2, p.second + 1});
    const Function f = function({x, y}, outputs, {.mode = Mode::verify});
    CHECK_NOTHROW(f({numbers(t, {6, 5}, 1), numbers(t, {5}, 2)}));
  }
}

TEST_CASE("gradients of parts equal those of the ops that they are",
          "[conformance][anywhere][parts]") {
  const Expr x = matrix<double>("x"), w = vector<double>("w");
  const auto [top, at] = max_and_argmax(x, 1);
  const auto [q, r] = divmod(x, w);
  const auto [m, e] = frexp(x);
  const Expr scale = pow(2.0, cast(-e, DType::f64));
  const Expr position = cast(at, DType::f64);
  const std::vector<Expr> outputs{grad(sum(top * top * position), x),
                                  grad(sum(max(x, {1}) * max(x, {1}) * position), x),
                                  grad(sum(r * x), x),
                                  x + r,
                                  grad(sum(r * x), w),
                                  sum(-(x * q), {0}),
                                  grad(sum(m * m), x),
                                  2 * m * scale};
  const Function f = function({x, w}, outputs);
  Rng rng(2);
  const auto got = f({moderate(DType::f64, {4, 6}, rng),
                      Array::from(std::vector<double>{1, -2, 0.5, 3, 1.5, 7}, {6})});
  for (std::size_t i = 0; i < got.size(); i += 2) {
    CAPTURE(i);
    CHECK(difference(got[i], got[i + 1], {.of_largest = 1e-14, .checks_zero_sign = false}) == "");
  }
}

TEST_CASE("a function with parts, mapped over an axis, equals it on each element",
          "[conformance][anywhere][parts]") {
  const Expr x = tensor<float>({3, 4, 5}, "x"), y = tensor<float>({3, 5}, "y");
  const auto f = [](const std::vector<Expr>& v) {
    const auto [top, at] = max_and_argmax(v[0], 0);
    const auto [q, r] = divmod(v[0], v[1]);
    const auto [m, e] = frexp(v[0]);
    return std::vector<Expr>{top, at, q, r, m, e};
  };
  std::vector<Expr> outputs = vmap(f)({x, y});
  const std::size_t results = outputs.size();
  for (std::int64_t i = 0; i < 3; ++i)
    for (const Expr& e : f({index(x, {i}), index(y, {i})})) outputs.push_back(e);
  Rng rng(6);
  const auto got = function({x, y}, outputs)(
      {moderate(DType::f32, {3, 4, 5}, rng), moderate(DType::f32, {3, 5}, rng)});
  for (std::size_t k = 0; k < results; ++k)
    for (std::size_t i = 0; i < 3; ++i) {
      const auto at = static_cast<std::int64_t>(i);
      Shape shape = got[k].shape();
      shape.erase(shape.begin());
      CAPTURE(k, i);
      CHECK(difference(got[k].slice(0, at, at + 1).reshape(shape), got[results * (i + 1) + k]) ==
            "");
    }
}

TEST_CASE("frexp takes every kind of float apart exactly", "[conformance][anywhere][parts]") {
  const auto check = []<class T>(std::type_identity<T>) {
    using Limits = std::numeric_limits<T>;
    std::vector<T> values{0,
                          T(-0.0),
                          1,
                          -1,
                          T(0.75),
                          Limits::denorm_min(),
                          -Limits::denorm_min() * 5,
                          Limits::min(),
                          std::nextafter(Limits::min(), T(0)),
                          Limits::max(),
                          -Limits::max(),
                          Limits::infinity(),
                          -Limits::infinity(),
                          Limits::quiet_NaN()};
    for (int k = -30; k < 30; ++k) values.push_back(std::ldexp(T(1) + T(k) / 64, 4 * k));
    const auto count = static_cast<std::int64_t>(values.size());
    const Expr x = vector<T>("x");
    const auto [m, e] = frexp(x);
    const auto got = function({x}, {m, e})({Array::from(values, {count})});
    const auto mantissas = got[0].template to_vector<T>();
    const auto exponents = got[1].template to_vector<std::int32_t>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      CAPTURE(values[i]);
      int exponent = 0;
      const T mantissa = std::frexp(values[i], &exponent);
      CHECK(exponents[i] == (std::isfinite(values[i]) ? exponent : 0));
      CHECK((std::isnan(mantissa) ? std::isnan(mantissas[i]) : mantissas[i] == mantissa));
      CHECK(std::signbit(mantissas[i]) == std::signbit(values[i]));
    }
  };
  check(std::type_identity<float>{});
  check(std::type_identity<double>{});
}

TEST_CASE("divmod rounds as Python does, and promotes as other operators", "[conformance][parts]") {
  const Expr i = vector<std::int32_t>("i");
  const auto [q, r] = divmod(i, 4);
  CHECK(q.dtype() == DType::i32);
  const auto got =
      function({i}, {q, r})({Array::from(std::vector<std::int32_t>{-7, 7, 0, 8}, {4})});
  CHECK(got[0].to_vector<std::int32_t>() == std::vector<std::int32_t>{-2, 1, 0, 2});
  CHECK(got[1].to_vector<std::int32_t>() == std::vector<std::int32_t>{1, 3, 0, 0});
  CHECK(divmod(i, 0.5).remainder.dtype() == DType::f64);
  CHECK(frexp(i).mantissa.dtype() == DType::f64);
  CHECK(frexp(i).exponent.dtype() == DType::i32);
  CHECK_THROWS_AS(divmod(vector<bool>("k"), vector<bool>("l")), TypeError);
  CHECK_THROWS_AS(max_and_argmax(scalar<float>("s")), ShapeError);
  CHECK_THROWS_AS(max_and_argmax(tensor<float>({3, 0}, "e"), 1), ShapeError);
}

} // namespace kroton::test
