/// Movement and creation against loops over positions, of unknown sizes too.
#include <functional>

#include <kroton/core.hpp>
#include <kroton/ops/creation.hpp>
#include <kroton/ops/movement.hpp>

#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

Array counted(const Shape& shape) {
  Array a = Array::empty<double>(shape);
  for (std::int64_t i = 0; i < a.numel(); ++i) a.data<double>()[i] = static_cast<double>(i + 1);
  return a;
}

std::int64_t modulo(std::int64_t a, std::int64_t n) { return ((a % n) + n) % n; }

/// Element [i, j] of a matrix with n rows and m columns; NaN is 0 in the result.
using Element = std::function<double(const Array&, std::int64_t i, std::int64_t j)>;

double at(const Array& a, std::int64_t i, std::int64_t j) {
  return a.data<double>()[i * a.shape()[1] + j];
}

struct Arranged {
  Expr expr;
  std::function<Shape(std::int64_t n, std::int64_t m)> shape;
  Element element;
};

std::vector<Arranged> arrangements(const Expr& x) {
  const auto same = [](std::int64_t n, std::int64_t m) { return Shape{n, m}; };
  const auto turned = [](std::int64_t n, std::int64_t m) { return Shape{m, n}; };
  const auto N = [](const Array& a) { return a.shape()[0]; };
  const auto M = [](const Array& a) { return a.shape()[1]; };
  std::vector<Arranged> all{
      {swapaxes(x, 0, -1), turned, [](const Array& a, auto i, auto j) { return at(a, j, i); }},
      {moveaxis(x, {0}, {1}), turned, [](const Array& a, auto i, auto j) { return at(a, j, i); }},
      {flip(x), same,
       [=](const Array& a, auto i, auto j) { return at(a, N(a) - 1 - i, M(a) - 1 - j); }},
      {fliplr(x), same, [=](const Array& a, auto i, auto j) { return at(a, i, M(a) - 1 - j); }},
      {flipud(x), same, [=](const Array& a, auto i, auto j) { return at(a, N(a) - 1 - i, j); }},
      {rot90(x), turned, [=](const Array& a, auto i, auto j) { return at(a, j, M(a) - 1 - i); }},
      {rot90(x, 2), same,
       [=](const Array& a, auto i, auto j) { return at(a, N(a) - 1 - i, M(a) - 1 - j); }},
      {rot90(x, -1), turned,
       [=](const Array& a, auto i, auto j) { return at(a, N(a) - 1 - j, i); }},
      {roll(x, {1, -1}, {0, 1}), same,
       [=](const Array& a, auto i, auto j) {
         return at(a, modulo(i - 1, N(a)), modulo(j + 1, M(a)));
       }},
      {tile(x, {2, 3}),
       [](auto n, auto m) {
         return Shape{2 * n, 3 * m};
       },
       [=](const Array& a, auto i, auto j) { return at(a, i % N(a), j % M(a)); }},
      {tile(x, {3}),
       [](auto n, auto m) {
         return Shape{n, 3 * m};
       },
       [=](const Array& a, auto i, auto j) { return at(a, i, j % M(a)); }},
      {repeat(x, 3, 1),
       [](auto n, auto m) {
         return Shape{n, 3 * m};
       },
       [](const Array& a, auto i, auto j) { return at(a, i, j / 3); }},
      {repeat(x, 2, 0),
       [](auto n, auto m) {
         return Shape{2 * n, m};
       },
       [](const Array& a, auto i, auto j) { return at(a, i / 2, j); }},
      {ones_like(x) * 2 + zeros_like(x) + full_like(x, 4), same,
       [](const Array&, auto, auto) { return 6.0; }},
  };
  for (std::int64_t shift : {0, 1, -1, 3, 100, -100})
    all.push_back({roll(x, shift, 1), same, [=](const Array& a, auto i, auto j) {
                     return at(a, i, modulo(j - shift, M(a)));
                   }});
  all.push_back({roll(x, 5), same, [=](const Array& a, auto i, auto j) {
                   const auto from = modulo(i * M(a) + j - 5, N(a) * M(a));
                   return at(a, from / M(a), from % M(a));
                 }});
  for (std::int64_t k : {0, 1, -2}) {
    all.push_back({tril(x, k), same,
                   [=](const Array& a, auto i, auto j) { return j - i <= k ? at(a, i, j) : 0; }});
    all.push_back({triu(x, k), same,
                   [=](const Array& a, auto i, auto j) { return j - i >= k ? at(a, i, j) : 0; }});
    all.push_back({eye(x.shape()[0], x.shape()[1], k), same,
                   [=](const Array&, auto i, auto j) { return j - i == k ? 1.0 : 0.0; }});
  }
  return all;
}

} // namespace

TEST_CASE("elements are moved to where NumPy moves them", "[conformance]") {
  const Expr x = matrix<double>("x");
  const auto all = arrangements(x);
  std::vector<Expr> outputs;
  for (const Arranged& a : all) outputs.push_back(a.expr);
  const Function f = function({x}, outputs);
  for (const Shape& shape : {Shape{3, 4}, Shape{1, 1}, Shape{4, 2}, Shape{5, 37}}) {
    const Array given = counted(shape);
    const auto got = f({given});
    for (std::size_t k = 0; k < all.size(); ++k) {
      const Shape size = all[k].shape(shape[0], shape[1]);
      INFO("output " << k << " of " << given.label());
      REQUIRE(got[k].shape() == size);
      const Array values = got[k].astype(DType::f64);
      bool is_right = true;
      for (std::int64_t i = 0; i < size[0]; ++i)
        for (std::int64_t j = 0; j < size[1]; ++j)
          is_right = is_right && at(values, i, j) == all[k].element(given, i, j);
      CHECK(is_right);
    }
  }
  const auto none = f({Array::empty<double>({0, 4})});
  for (std::size_t k = 0; k < all.size(); ++k) CHECK(none[k].shape() == all[k].shape(0, 4));
}

TEST_CASE("diagonals of any offset, and matrices made of them", "[conformance]") {
  const Expr x = matrix<double>("x"), v = vector<double>("v"), t = tensor<double>({2, 3, 4}, "t");
  const std::vector<std::int64_t> offsets{0, 1, -1, 3, -9};
  std::vector<Expr> outputs;
  for (std::int64_t k : offsets) {
    outputs.push_back(diagonal(x, k));
    outputs.push_back(trace(x, k));
    outputs.push_back(diag(v, k));
    outputs.push_back(diag(diag(v, k), k));
  }
  outputs.push_back(diagonal(t, 1, 2, 1));
  const Function f = function({x, v, t}, outputs);
  const Array ts = counted({2, 3, 4}), vs = counted({3});
  for (const Shape& shape : {Shape{3, 4}, Shape{5, 2}, Shape{1, 1}}) {
    const Array given = counted(shape);
    const auto got = f({given, vs, ts});
    for (std::size_t o = 0; o < offsets.size(); ++o) {
      const std::int64_t k = offsets[o], down = std::max<std::int64_t>(-k, 0),
                         right = std::max<std::int64_t>(k, 0);
      const std::int64_t n = std::max<std::int64_t>(std::min(shape[0] - down, shape[1] - right), 0);
      INFO(k << " of " << given.label());
      REQUIRE(got[4 * o].shape() == Shape{n});
      double total = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        CHECK(got[4 * o].data<double>()[i] == at(given, i + down, i + right));
        total += at(given, i + down, i + right);
      }
      CHECK(got[4 * o + 1].item<double>() == total);
      const std::int64_t size = 3 + std::abs(k);
      REQUIRE(got[4 * o + 2].shape() == Shape{size, size});
      for (std::int64_t i = 0; i < size; ++i)
        for (std::int64_t j = 0; j < size; ++j)
          CHECK(at(got[4 * o + 2], i, j) ==
                (j - i == k ? static_cast<double>(std::min(i, j) + 1) : 0));
      CHECK(equal(got[4 * o + 3], vs));
    }
    // t[b, i, j] with j, axis 2, first and i = j + 1 second.
    REQUIRE(got.back().shape() == Shape{2, 2});
    for (std::int64_t b = 0; b < 2; ++b)
      for (std::int64_t j = 0; j < 2; ++j)
        CHECK(at(got.back(), b, j) == ts.data<double>()[(b * 3 + j + 1) * 4 + j]);
  }
}

TEST_CASE("numbers at equal distances, and grids of them", "[conformance]") {
  const Expr n = scalar<std::int64_t>("n"), x = vector<double>("x"), y = vector<double>("y");
  const auto xy = meshgrid({x, y}), ij = meshgrid({x, y}, GridOrder::ij);
  const Function f =
      function({n, x, y}, {linspace(0.1, 0.7, n), linspace(5, 1, 5), xy[0], xy[1], ij[0], ij[1],
                           logspace(0, 3, 4), full({3}, 7), zeros<float>({2, 2}), ones({n})});
  const Array xs = counted({3}), ys = counted({2});
  for (std::int64_t count : {0, 1, 2, 7}) {
    const auto got = f({Array::scalar<std::int64_t>(count), xs, ys});
    REQUIRE(got[0].shape() == Shape{count});
    for (std::int64_t i = 0; i < count; ++i)
      CHECK(std::abs(got[0].data<double>()[i] -
                     (count == 1 ? 0.1
                                 : 0.1 + 0.6 * static_cast<double>(i) /
                                             static_cast<double>(count - 1))) < 1e-15);
    if (count > 1) CHECK(got[0].data<double>()[count - 1] == 0.7);
    CHECK(equal(got[1], Array::from<double>({5, 4, 3, 2, 1}, {5})));
    CHECK(got[2].shape() == Shape{2, 3});
    CHECK(at(got[2], 1, 2) == 3);
    CHECK(at(got[3], 1, 2) == 2);
    CHECK(got[4].shape() == Shape{3, 2});
    CHECK(at(got[4], 2, 1) == 3);
    CHECK(at(got[5], 2, 1) == 2);
    CHECK(std::abs(got[6].data<double>()[3] - 1000) < 1e-9);
    CHECK(got[7].dtype() == DType::i64);
    CHECK(got[8].dtype() == DType::f32);
    CHECK(got[9].shape() == Shape{count});
  }
}

TEST_CASE("axes that are not there are refused by name", "[conformance]") {
  const Expr x = matrix<float>("x"), v = vector<float>("v"), o = scalar<float>("o");
  CHECK_THROWS_AS(moveaxis(x, {0}, {2}), ShapeError);
  CHECK_THROWS_AS(moveaxis(x, {0, 1}, {0}), ShapeError);
  CHECK_THROWS_AS(swapaxes(x, 0, 2), ShapeError);
  CHECK_THROWS_AS(roll(x, 1, 2), ShapeError);
  CHECK_THROWS_AS(roll(o, 1, 0), ShapeError);
  CHECK_THROWS_AS(fliplr(v), ShapeError);
  CHECK_THROWS_AS(rot90(v), ShapeError);
  CHECK_THROWS_AS(tril(v), ShapeError);
  CHECK_THROWS_AS(diagonal(v), ShapeError);
  CHECK_THROWS_AS(diagonal(x, 0, 1, 1), ShapeError);
  CHECK_THROWS_AS(diag(tensor<float>({1, 2, 3})), ShapeError);
  CHECK_THROWS_AS(tile(x, {-1}), ShapeError);
  CHECK_THROWS_AS(repeat(x, -1, 0), ShapeError);
  CHECK_THROWS_AS(full({2}, v), ShapeError);
  CHECK_THROWS_AS(linspace(v, 1, 3), ShapeError);
  CHECK(ravel(o).rank() == 1);
  CHECK(atleast_3d(v).rank() == 3);
  CHECK(broadcast_arrays({v, tensor<float>({2, 1})})[0].rank() == 2);
}

TEST_CASE("gradients pass through what moves elements", "[conformance]") {
  Rng rng(4);
  const Array at = moderate(DType::f64, {3, 3}, rng);
  CHECK_NOTHROW(verify_grad(
      [](const std::vector<Expr>& v) {
        const Expr x = v[0], w = arange(9), u = reshape(w, {3, 3});
        const auto cost = [](const Expr& e, const Operand& by) { return sum(e * e * e * by); };
        return cost(roll(x, 2, 0), u) + cost(flip(x, {1}), u) + cost(ravel(tril(x)), w) +
               cost(diagonal(x, 1), arange(2)) + trace(x * x) + cost(tile(x, {1, 2}), 1) +
               cost(repeat(x, 2, 1), 3) + cost(diag(diagonal(x), 1), 2) + cost(rot90(x), u);
      },
      {at}));
}

} // namespace kroton::test
