/// Kernels of each kind at sizes around those where their schedules change.
#include <kroton/ops/scatter.hpp>
#include <kroton/ops/reduction.hpp>
#include <kroton/ops/transcendental.hpp>

#include "test/conformance/arrays.hpp"
#include "test/gpu/support.hpp"
#include "test/support/catch.hpp"

namespace kt = kroton;
using kt::Array;
using kt::Expr;
using kt::Shape;
using kt::test::against_reference;
using kt::test::moderate;
using kt::test::Rng;

namespace {

/// Floats in [-4, 4].
Array floats(const Shape& shape, std::uint64_t seed) {
  Rng rng(seed);
  return moderate(kt::DType::f32, shape, rng);
}

/// Around a warp, a block and what several blocks share.
const std::int64_t lengths[] = {1, 2, 31, 32, 33, 255, 256, 257, 1023, 1025, 5000};

constexpr kt::test::Tolerance nearby{.ulps = 8, .of_largest = 1e-5};

} // namespace

TEST_CASE("elementwise kernels take any number of elements", "[gpu][kernels]") {
  const Expr x = kt::vector<float>("x"), y = kt::vector<float>("y");
  const Expr z = kt::tanh(1.5f * x + 0.25f) * kt::sigmoid(-2.0f * y) + kt::log1p(kt::exp(x));
  const kt::Function f = kt::test::on_gpu({x, y}, {z});
  for (const std::int64_t n : lengths) {
    const std::vector<Array> arguments = {floats({n}, 1), floats({n}, 2)};
    CHECK(kt::test::difference(f(arguments)[0], kt::test::reference({x, y}, arguments, {z})[0],
                               nearby) == "");
  }
  CHECK(f({Array::zeros<float>({0}), Array::zeros<float>({0})})[0].numel() == 0);
}

TEST_CASE("elements of every width are read and written", "[gpu][kernels]") {
  Rng rng(3);
  for (const kt::DType dtype : kt::test::all_dtypes) {
    const Expr x = kt::tensor(dtype, {kt::dim("n")}, "x");
    for (const std::int64_t n : {1, 7, 1000}) {
      const std::vector<Array> arguments = {moderate(dtype, {n}, rng)};
      CHECK(against_reference({x}, arguments, {kt::where(x == x, x, x), kt::cast<float>(x)}) == "");
    }
  }
}

TEST_CASE("rows and columns of any length are reduced", "[gpu][kernels]") {
  const Expr x = kt::matrix<float>("x");
  const std::vector<Expr> outputs = {kt::sum(x, {1}),   kt::sum(x, {0}), kt::max(x, {1}),
                                     kt::argmax(x, 1),  kt::mean(x),     kt::logsumexp(x, {1}),
                                     kt::min(x, {0, 1})};
  const kt::Function f = kt::test::on_gpu({x}, outputs);
  for (const std::int64_t n : lengths)
    for (const Shape& shape : {Shape{n, 3}, Shape{3, n}, Shape{n, 70}}) {
      const std::vector<Array> arguments = {floats(shape, static_cast<std::uint64_t>(n))};
      const std::vector<Array> got = f(arguments),
                               want = kt::test::reference({x}, arguments, outputs);
      for (std::size_t i = 0; i < got.size(); ++i) {
        INFO("output " << i << " of " << arguments[0].label());
        CHECK(kt::test::difference(got[i], want[i], nearby) == "");
      }
    }
}

TEST_CASE("fused rows give what their parts give", "[gpu][kernels]") {
  const Expr x = kt::matrix<float>("x");
  const Expr centred = x - kt::mean(x, {1}, true);
  const Expr normed = centred / kt::sqrt(kt::mean(centred * centred, {1}, true) + 1e-5f);
  for (const std::int64_t n : {1, 33, 1000, 5000})
    CHECK(against_reference({x}, {floats({5, n}, 4)}, {kt::softmax(x), kt::log_softmax(x), normed},
                            nearby) == "");
}

TEST_CASE("transposes, slices and gathers read the right elements", "[gpu][kernels]") {
  const Expr x = kt::matrix<float>("x"), i = kt::vector<std::int64_t>("i");
  const Array rows = Array::from<std::int64_t>({0, 69, -1, 3, 3});
  CHECK(against_reference({x, i}, {floats({70, 45}, 5), rows},
                          {kt::transpose(x) + 1.0f, kt::slice(x, {kt::Range{3, 60, 2}}) * 2.0f,
                           kt::index(x, {i}), kt::index_add({70, 45}, {i}, kt::index(x, {i}))},
                          nearby) == "");
}

TEST_CASE("rows are added up at few positions and at many, in order and in any", "[gpu][kernels]") {
  const Expr x = kt::matrix<float>("x"), i = kt::vector<std::int64_t>("i");
  for (const std::int64_t count : {100, 5000}) {
    Array rows = Array::empty<std::int64_t>({count});
    for (std::int64_t k = 0; k < count; ++k) rows.at<std::int64_t>({k}) = k * 7919 % 70;
    const std::vector<Array> arguments = {floats({count, 5}, 9), rows};
    const std::vector<Expr> outputs = {kt::index_add({70, 5}, {i}, x)};
    const Array want = kt::test::reference({x, i}, arguments, outputs)[0];
    CHECK(equal(kt::test::on_gpu({x, i}, outputs)(arguments)[0], want));
    const Array any = kt::test::on_gpu({x, i}, outputs, {.deterministic = false})(arguments)[0];
    CHECK(kt::test::difference(any, want, nearby) == "");
  }
}

TEST_CASE("products of all shapes are right, with either side transposed", "[gpu][kernels]") {
  const Expr a = kt::matrix<float>("a"), b = kt::matrix<float>("b");
  for (const auto& [m, k, n] : {std::tuple{1, 1, 1}, {1, 300, 7}, {60, 784, 10}, {130, 65, 257}}) {
    CHECK(against_reference({a, b}, {floats({m, k}, 6), floats({k, n}, 7)}, {kt::dot(a, b)},
                            nearby) == "");
    CHECK(against_reference({a, b}, {floats({k, m}, 6), floats({n, k}, 7)},
                            {kt::dot(kt::transpose(a), kt::transpose(b))}, nearby) == "");
  }
}

TEST_CASE("random numbers are those of the stream", "[gpu][kernels]") {
  kt::Random random(11);
  const std::vector<Expr> outputs = {random.uniform({1000}), random.bernoulli(0.3, {33, 7})};
  const kt::Function f = kt::test::on_gpu({}, outputs);
  for (int call = 0; call < 3; ++call) {
    const std::vector<Array> want = kt::test::reference({}, {}, outputs);
    const std::vector<Array> got = f(std::vector<Array>{});
    CHECK(kt::test::difference(got[0], want[0]) == "");
    CHECK(kt::test::difference(got[1], want[1]) == "");
  }
}
