/// Joins, splits and padding: values against loops over positions, unknown sizes, gradients.
#include <kroton/core.hpp>
#include <kroton/ops/joining.hpp>

#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

/// 0, 1, … of f64 and any shape.
Array counted(const Shape& shape) {
  Array a = Array::empty<double>(shape);
  for (std::int64_t i = 0; i < a.numel(); ++i) a.data<double>()[i] = static_cast<double>(i);
  return a;
}

double at(const Array& a, std::int64_t i, std::int64_t j) {
  return a.data<double>()[i * a.shape()[1] + j];
}

/// Where numpy.pad reads element `i` of an axis of `n` with `before` elements in front; -1: the
/// constant.
std::int64_t padded_from(PadMode mode, std::int64_t i, std::int64_t n, std::int64_t before) {
  std::int64_t p = i - before;
  switch (mode) {
  case PadMode::constant:
    return p < 0 || p >= n ? -1 : p;
  case PadMode::edge:
    return std::clamp<std::int64_t>(p, 0, n - 1);
  case PadMode::wrap:
    return ((p % n) + n) % n;
  case PadMode::reflect:
  case PadMode::symmetric:
    break;
  }
  // Walked step by step, turning at the ends.
  const bool stays = mode == PadMode::symmetric;
  if (n == 1) return 0;
  std::int64_t at = 0, step = 1;
  const auto move = [&] {
    if (at + step < 0 || at + step >= n) {
      step = -step;
      if (stays) return;
    }
    at += step;
  };
  if (p >= 0) {
    for (std::int64_t k = 0; k < p; ++k) move();
    return at;
  }
  step = -1;
  for (std::int64_t k = 0; k < -p; ++k) move();
  return at;
}

} // namespace

TEST_CASE("arrays are joined along any axis, of any sizes", "[conformance][anywhere]") {
  const Dim n = dim("n"), m = dim("m"), k = dim("k");
  const Expr x = tensor<double>({n, m}, "x"), y = tensor<double>({n, k}, "y");
  const Function f =
      function({x, y}, {concatenate({x * 2, y, x}, 1),
                        concatenate({transpose(x), transpose(y) + 1}), stack({x, x + 1}, -1),
                        concatenate({concatenate({x, y}, 1), concatenate({y, x}, 1)})});
  for (const auto& [rows, a, b] :
       {std::tuple{2, 3, 5}, {1, 1, 1}, {0, 3, 2}, {3, 0, 4}, {5, 64, 1}, {70, 33, 17}}) {
    const Array xs = counted({rows, a}), ys = counted({rows, b});
    const auto got = f({xs, ys});
    REQUIRE(got[0].shape() == Shape{rows, 2 * a + b});
    REQUIRE(got[1].shape() == Shape{a + b, rows});
    REQUIRE(got[2].shape() == Shape{rows, a, 2});
    REQUIRE(got[3].shape() == Shape{2 * rows, a + b});
    bool is_right = true;
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < 2 * a + b; ++j)
        is_right = is_right && at(got[0], i, j) == (j < a       ? 2 * at(xs, i, j)
                                                    : j < a + b ? at(ys, i, j - a)
                                                                : at(xs, i, j - a - b));
      for (std::int64_t j = 0; j < a + b; ++j) {
        is_right = is_right && at(got[1], j, i) == (j < a ? at(xs, i, j) : at(ys, i, j - a) + 1) &&
                   at(got[3], i, j) == (j < a ? at(xs, i, j) : at(ys, i, j - a)) &&
                   at(got[3], rows + i, j) == (j < b ? at(ys, i, j) : at(xs, i, j - b));
      }
      for (std::int64_t j = 0; j < a; ++j)
        for (std::int64_t c = 0; c < 2; ++c)
          is_right = is_right && got[2].data<double>()[(i * a + j) * 2 + c] ==
                                     at(xs, i, j) + static_cast<double>(c);
    }
    INFO(rows << " " << a << " " << b);
    CHECK(is_right);
  }
}

TEST_CASE("what is joined is promoted, and must fit", "[conformance]") {
  const Expr x = matrix<float>("x"), i = matrix<std::int32_t>("i"), v = vector<double>("v");
  CHECK(concatenate({x, i}).dtype() == DType::f32);
  CHECK(stack({v, vector<float>("w")}).dtype() == DType::f64);
  CHECK_THROWS_AS(concatenate({}), ShapeError);
  CHECK_THROWS_AS(concatenate({x, v}), ShapeError);
  CHECK_THROWS_AS(concatenate({x, x}, 2), ShapeError);
  CHECK_THROWS_AS(concatenate({scalar<float>("s")}), ShapeError);
  CHECK_THROWS_AS(stack({x, v}), ShapeError);
  CHECK_THROWS_AS(stack({x}, 3), ShapeError);
  CHECK_THROWS_AS(concatenate({tensor<float>({2, 3}), tensor<float>({2, 4})}), ShapeError);
  const Function f = function({x, i}, {concatenate({x, i}, 1)});
  CHECK_THROWS_AS(f({counted({2, 3}).astype(DType::f32), counted({3, 3}).astype(DType::i32)}),
                  ShapeError);
}

TEST_CASE("stacks of rows, columns and layers are NumPy's", "[conformance]") {
  const Expr v = vector<float>("v"), m = matrix<float>("m");
  CHECK(vstack({v, v, m}).rank() == 2);
  CHECK(hstack({v, v}).rank() == 1);
  CHECK(dstack({v, m}).rank() == 3);
  const Function f = function({v, m}, {vstack({v, v}), hstack({m, m}), column_stack({v, m}),
                                       dstack({v, v}), dstack({m, m})});
  const auto got = f({counted({2}).astype(DType::f32), counted({2, 3}).astype(DType::f32)});
  CHECK(got[0].shape() == Shape{2, 2});
  CHECK(got[1].shape() == Shape{2, 6});
  CHECK(got[2].shape() == Shape{2, 4});
  CHECK(got[3].shape() == Shape{1, 2, 2});
  CHECK(got[4].shape() == Shape{2, 3, 2});
  CHECK(got[2].data<float>()[4] == 1.f); // v's second beside m's second row
  CHECK(got[4].data<float>()[5] == 2.f);
}

TEST_CASE("splits are views that put together are the whole", "[conformance]") {
  const Expr x = matrix<double>("x");
  std::vector<Expr> outputs;
  for (int axis : {0, 1}) {
    outputs.push_back(concatenate(split(x, 3, axis), axis));
    outputs.push_back(concatenate(array_split(x, 4, axis), axis));
    outputs.push_back(concatenate(split_at(x, {2, 4, -1}, axis), axis));
  }
  outputs.push_back(array_split(x, 4)[0]);
  outputs.push_back(array_split(x, 4)[3]);
  const Function f = function({x}, outputs);
  const Array given = counted({6, 9});
  const auto got = f({given});
  for (std::size_t i = 0; i < 6; ++i) CHECK(equal(got[i], given));
  CHECK(got[6].shape() == Shape{2, 9});
  CHECK(got[7].shape() == Shape{1, 9});
  CHECK_THROWS_AS(f({counted({7, 9})}), ShapeError);
  CHECK_THROWS_AS(split(tensor<float>({7}), 3), ShapeError);
  CHECK_THROWS_AS(split(x, 0), ShapeError);
}

TEST_CASE("padding reads what numpy.pad does, however long", "[conformance]") {
  for (PadMode mode :
       {PadMode::constant, PadMode::edge, PadMode::reflect, PadMode::symmetric, PadMode::wrap}) {
    const Expr x = matrix<double>("x"), c = tensor<double>({4, 5}, "c");
    const Function f =
        function({x, c}, {pad(x, {{2, 7}, {11, 0}}, mode, -1), pad(c, {{1, 3}, {4, 2}}, mode, -1)});
    for (const Shape& shape : {Shape{4, 5}, Shape{1, 3}, Shape{3, 1}}) {
      const Array xs = counted(shape), cs = counted({4, 5});
      const auto got = f({xs, cs});
      const auto check = [&](const Array& from, const Array& to, std::int64_t top,
                             std::int64_t left, Shape size) {
        REQUIRE(to.shape() == size);
        bool is_right = true;
        for (std::int64_t i = 0; i < size[0]; ++i)
          for (std::int64_t j = 0; j < size[1]; ++j) {
            const std::int64_t r = padded_from(mode, i, from.shape()[0], top),
                               s = padded_from(mode, j, from.shape()[1], left);
            is_right = is_right && at(to, i, j) == (r < 0 || s < 0 ? -1 : at(from, r, s));
          }
        INFO(static_cast<int>(mode) << " " << from.label());
        CHECK(is_right);
      };
      check(xs, got[0], 2, 11, {shape[0] + 9, shape[1] + 11});
      check(cs, got[1], 1, 4, {8, 11});
    }
  }
}

TEST_CASE("each part of a join is verified where it is stored", "[conformance]") {
  const Expr x = matrix<float>("x"), w = matrix<float>("w");
  const Expr h = concatenate({exp(x), dot(x, w), pad(x, {{0, 0}, {1, 0}})}, 1);
  const Function f = function({x, w}, {h, sum(h, {1})}, {.mode = Mode::verify});
  Rng rng(5);
  const auto got = f({moderate(DType::f32, {3, 4}, rng), moderate(DType::f32, {4, 2}, rng)});
  CHECK(got[0].shape() == Shape{3, 11});
}

TEST_CASE("gradients of joins are slices, of any order", "[conformance]") {
  Rng rng(3);
  const Array xs = moderate(DType::f64, {2, 3}, rng), ys = moderate(DType::f64, {2, 2}, rng),
              vs = moderate(DType::f64, {5}, rng);
  const auto cost = [](const std::vector<Expr>& v) {
    const Expr j = concatenate({v[0] * v[0], v[1], v[0]}, 1) * 0.25;
    return sum(j * j);
  };
  CHECK_NOTHROW(verify_grad(cost, {xs, ys}));
  CHECK_NOTHROW(verify_grad(
      [&](const std::vector<Expr>& v) {
        const auto g = grad(cost(v), v);
        return sum(g[0] * g[0]) + sum(g[1]);
      },
      {xs, ys}));
  for (PadMode mode :
       {PadMode::constant, PadMode::edge, PadMode::reflect, PadMode::symmetric, PadMode::wrap}) {
    CHECK_NOTHROW(verify_grad(
        [&](const std::vector<Expr>& v) {
          const Expr p = pad(v[0], {{3, 2}}, mode), q = pad(v[1], {{1, 4}, {0, 2}}, mode);
          return sum(p * p * p * arange(10)) + sum(q * q * q);
        },
        {vs, xs}));
  }
}

} // namespace kroton::test
