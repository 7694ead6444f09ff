/// The CUDA text of whole functions, on the emulator, against the evaluator: every schedule, with
/// sizes at its edges and threads in every order.
#include <optional>
#include <set>

#include <kroton/random.hpp>
#include <kroton/ops/contraction.hpp>
#include <kroton/ops/scatter.hpp>
#include <kroton/ops/reduction.hpp>

#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/cuda/emulator_support.hpp"
#include "test/cuda/plan_runner.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

struct Expected {
  double of_largest = 1e-5;
  double ulps = 4;
  /// Entries of which at least one is launched in each run.
  std::vector<std::string> entries = {};
};

/// Runs the function for each list of shapes, in every order of threads; what is updated is not
/// compared.
void check(const std::vector<Expr>& inputs, const std::vector<Expr>& outputs,
           const std::vector<std::vector<Shape>>& calls, const Expected& expected = {}) {
  PlanRunner runner(inputs, outputs);
  for (const auto& shapes : calls) {
    Rng rng(7);
    std::vector<Array> arguments;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      arguments.push_back(moderate(inputs[i].dtype(), shapes[i], rng));
    }
    const auto want = reference(inputs, arguments, outputs);
    for (const emulator::Schedule& schedule : schedules) {
      const auto got = runner.run(arguments, schedule);
      REQUIRE(got.size() >= want.size());
      for (std::size_t i = 0; i < want.size(); ++i) {
        INFO("output " << i << " of " << outputs.size() << ", " << arguments[0].label() << "\n"
                       << runner.texts(0).front().text);
        CHECK(difference(got[i], want[i],
                         {.ulps = expected.ulps,
                          .of_largest = expected.of_largest,
                          .checks_zero_sign = false}) == "");
      }
    }
    for (const std::string& entry : expected.entries)
      CHECK(std::ranges::find(runner.launched(), entry) != runner.launched().end());
  }
}

} // namespace

TEST_CASE("elementwise kernels read and write windows, and single elements where none fit",
          "[dialect]") {
  const Expr x = vector<float>("x"), y = vector<float>("y");
  check({x, y}, {2 * x + 3 * y - 1, exp(x) * y},
        {{{1}, {1}}, {{7}, {7}}, {{1024}, {1024}}, {{2053}, {2053}}, {{0}, {0}}});
  const Expr m = matrix<float>("m"), d = matrix<double>("d");
  check({m, x, y}, {m + x, m * expand_dims(y, {1}), transpose(m)},
        {{{3, 8}, {8}, {3}}, {{5, 7}, {7}, {5}}, {{40, 36}, {36}, {40}}, {{0, 4}, {4}, {0}}});
  check({d, x}, {cast(d, DType::f32) + x, d * d}, {{{3, 8}, {8}}, {{3, 9}, {9}}});
}

TEST_CASE("rows are walked by parts of warps, warps, blocks, and in memory", "[dialect]") {
  const Expr x = matrix<float>("x");
  const std::vector<Expr> outputs{softmax(x), log_softmax(x)};
  check({x}, outputs, {{{5, 3}}, {{9, 100}}, {{1, 1}}, {{0, 4}}}, {.entries = {}});
  check({x}, outputs, {{{3, 700}}, {{1, 257}}});
  check({x}, outputs, {{{2, 2500}}});
  for (std::int64_t n : {1, 3, 10, 33, 130, 1000, 1500, 2100}) {
    const Expr known = tensor(DType::f32, {dim(), n}, "known");
    check({known}, {softmax(known), sum(known, {1}), argmax(known, 1)}, {{{3, n}}});
  }
}

TEST_CASE("rows are kept in registers and shared memory as far as both reach", "[dialect]") {
  const Expr x = matrix<float>("x");
  const std::vector<Expr> outputs{softmax(x), log_softmax(x)};
  check({x}, outputs, {{{1, 2048}}}, {.entries = {"rows_2048"}});
  check({x}, {softmax(x)}, {{{2, 2049}}, {{1, 8193}}, {{1, 12301}}, {{1, 61440}}},
        {.entries = {"rows_shared"}});
  check({x}, outputs, {{{1, 61441}}}, {.entries = {"rows_any"}});
  const Expr known = tensor(DType::f32, {dim(), 20000}, "known");
  check({known}, {softmax(known), max(exp(known - max(known)))}, {{{2, 20000}}},
        {.entries = {"rows_shared"}});
}

namespace {

void check_row_folds(std::span<const DType> dtypes) {
  for (DType t : dtypes) {
    const Expr x = tensor(t, {dim(), dim()}, "x");
    check({x}, {sum(x, {0}), max(x, {0})}, {{{70, 40}}, {{1, 1}}, {{300, 130}}, {{9, 3}}});
    check({x}, {argmax(x, 0), argmin(x, 0), argmax(x, 1)}, {{{70, 40}}, {{9, 3}}});
    check({x}, {sum(x), max(x)}, {{{70, 40}}, {{1, 1}}, {{300, 130}}});
    const Expr narrow = tensor(t, {dim(), 10}, "narrow");
    check({narrow}, {sum(narrow, {0}), argmin(narrow, 0), sum(narrow, {1}), sum(narrow)},
          {{{70, 10}}, {{1, 10}}, {{700, 10}}});
  }
}

} // namespace

TEST_CASE("folds over rows go through blocks and a second launch", "[dialect]") {
  check_row_folds(std::array{DType::f32});
  const Expr none = matrix<float>("none");
  check({none}, {sum(none, {0}), sum(none, {1}), sum(none)}, {{{0, 5}}, {{5, 0}}});
}

TEST_CASE("the last block ends what is folded into scalars", "[dialect]") {
  const auto launches = [](const Expr& x, const std::vector<Expr>& outputs) {
    PlanRunner runner({x}, outputs);
    Rng rng(3);
    const std::vector<Array> arguments{moderate(DType::f32, {150, 40}, rng)};
    const auto want = runner.run(arguments, schedules[0]);
    for (const emulator::Schedule& schedule : schedules) {
      const auto got = runner.run(arguments, schedule);
      for (std::size_t i = 0; i < want.size(); ++i)
        CHECK(difference(got[i], want[i], Tolerance{}) == "");
    }
    return std::set<std::string>(runner.launched().begin(), runner.launched().end());
  };
  using Entries = std::set<std::string>;
  const Expr x = matrix<float>("x"), known = tensor(DType::f32, {dim(), 40}, "known");
  CHECK(launches(x, {sum(exp(x)), max(exp(x))}) == Entries{"kernel"});
  CHECK(launches(known, {sum(logsumexp(known, {1}))}) == Entries{"kernel"});
  CHECK(launches(x, {sum(logsumexp(x, {1}))}) == Entries{"rows_64", "finish"});
  CHECK(launches(x, {sum(x, {0})}) == Entries{"kernel", "finish"});
}

TEST_CASE("folds over rows of other dtypes", "[dialect][.slow]") {
  check_row_folds(std::array{DType::f64, DType::i32, DType::u8});
}

TEST_CASE("reductions keep some inner axes and fold others", "[dialect]") {
  const Expr k = tensor(DType::f32, {dim(), dim(), dim()}, "k");
  check({k}, {sum(k, {0, 2}), sum(k, {1}), max(k, {0}), argmax(k, 1), sum(k, {0, 1})},
        {{{5, 6, 7}}, {{1, 1, 1}}, {{3, 40, 9}}});
}

TEST_CASE("a training step in one kernel with its loss and its folds", "[dialect]") {
  const Expr x = matrix<float>("x"), y = vector<std::int64_t>("y");
  const Shared w = shared(Array::zeros<float>({6, 10}), "w"),
               b = shared(Array::zeros<float>({10}), "b");
  const Expr p = softmax(dot(x, w) + b);
  const Expr loss = -mean(index(log(p), {arange(y.dim(0)), y}));
  const auto g = grad(loss, {w, b});
  check({x, y}, {argmax(p, 1), loss, g[0], g[1], b - 0.1f * g[1]},
        {{{70, 6}, {70}}, {{1, 6}, {1}}});
}

namespace {

void check_products(std::span<const DType> dtypes) {
  for (DType t : dtypes) {
    const Dim n = dim("n"), m = dim("m"), k = dim("k");
    const Expr a = tensor(t, {n, k}, "a"), b = tensor(t, {k, m}, "b"), c = tensor(t, {m, k}, "c");
    check({a, b, c}, {dot(a, b), dot(a, transpose(c))},
          {{{5, 3}, {3, 7}, {7, 3}},
           {{1, 40}, {40, 33}, {33, 40}},
           {{33, 17}, {17, 2}, {2, 17}},
           {{70, 40}, {40, 9}, {9, 40}},
           {{20, 300}, {300, 70}, {70, 300}},
           {{3, 0}, {0, 4}, {4, 0}}});
  }
}

} // namespace

TEST_CASE("products of all shapes", "[dialect]") { check_products(std::array{DType::f32}); }

TEST_CASE("products of other dtypes", "[dialect][.slow]") {
  check_products(std::array{DType::f64, DType::i16, DType::u64});
}

TEST_CASE("a product whose sides are known to be short has no large tiles", "[dialect]") {
  const auto has_large_tiles = [](const Dim& n, const Dim& m) {
    const Expr a = tensor(DType::f32, {n, dim("k")}, "a"),
               b = tensor(DType::f32, {dim("k"), m}, "b");
    const PlanRunner runner({a, b}, {dot(a, b)});
    return std::ranges::any_of(runner.texts(0), [](const codegen::CudaText& t) {
      return t.launches[0].entry == "product_128x128";
    });
  };
  CHECK(has_large_tiles(dim("n"), dim("m")));
  CHECK(has_large_tiles(dim("n"), Dim(1024)));
  CHECK_FALSE(has_large_tiles(dim("n"), Dim(1023)));
  CHECK_FALSE(has_large_tiles(Dim(30), dim("m")));
  const Expr a = tensor(DType::f32, {dim("n"), dim("k")}, "a"),
             b = tensor(DType::f32, {dim("k"), Dim(30)}, "b");
  check({a, b}, {dot(a, b)}, {{{40, 9}, {9, 30}}, {{70, 300}, {300, 30}}},
        {.entries = {"product_16x16"}});
}

namespace {

/// Products that something follows from, element by element: with rows, columns and scalars of
/// other arrays, several results, random numbers, and the product itself kept or not.
void check_epilogues(std::span<const DType> dtypes) {
  for (DType t : dtypes) {
    const Dim n = dim("n"), m = dim("m"), k = dim("k");
    const Expr a = tensor(t, {n, k}, "a"), b = tensor(t, {k, m}, "b"),
               bias = tensor(t, {m}, "bias"), scale = tensor(t, {n, 1}, "scale"),
               full = tensor(t, {n, m}, "full");
    const std::vector<Expr> inputs{a, b, bias, scale, full};
    const Expr p = dot(a, b), hidden = tanh(p + bias);
    const std::vector<std::vector<Shape>> sizes{
        {{5, 3}, {3, 7}, {7}, {5, 1}, {5, 7}},           {{1, 40}, {40, 33}, {33}, {1, 1}, {1, 33}},
        {{33, 17}, {17, 2}, {2}, {33, 1}, {33, 2}},      {{70, 40}, {40, 9}, {9}, {70, 1}, {70, 9}},
        {{20, 300}, {300, 70}, {70}, {20, 1}, {20, 70}}, {{3, 0}, {0, 4}, {4}, {3, 1}, {3, 4}},
    };
    // Sums lose digits that their tanh shows.
    check(inputs, {hidden * scale, 1 - hidden * hidden, full * hidden}, sizes,
          {.of_largest = 1e-4});
    check(inputs, {p * p * full, p}, sizes);
    check(inputs, {relu(full + p), full * 2}, sizes);
    Random rng(3);
    check(inputs, {p + rng.uniform(p.shape(), t)}, sizes);
  }
}

} // namespace

TEST_CASE("what follows from each element of a product is computed with it", "[dialect]") {
  check_epilogues(std::array{DType::f32});
}

TEST_CASE("products that would be many small tiles have larger ones, whose sides are theirs",
          "[dialect]") {
  const Expr a = matrix<float>("a"), b = matrix<float>("b"), c = vector<float>("c");
  const auto check_tiles = [&](const Shape& of_a, const Shape& of_b, const std::string& entry) {
    check({a, b, c}, {relu(dot(a, b) + c)}, {{of_a, of_b, {of_b[1]}}},
          {.of_largest = 1e-4, .entries = {entry}});
  };
  check_tiles({128, 127}, {127, 129}, "product_16x16");
  check_tiles({16, 5}, {5, 4100}, "product_16x64");
  check_tiles({4100, 5}, {5, 16}, "product_64x16");
  check_tiles({272, 130}, {130, 260}, "product_64x64");
  check({a, b}, {dot(a, b)}, {{{260, 3}, {3, 272}}}, {.entries = {"product_64x64"}});
}

TEST_CASE("the same for other dtypes, and for the largest tiles", "[dialect][.slow]") {
  check_epilogues(std::array{DType::f64});
  const Expr a = matrix<float>("a"), b = matrix<float>("b"), c = vector<float>("c");
  check({a, b, c}, {tanh(dot(a, b) + c)}, {{{1024, 2}, {2, 1030}, {1030}}},
        {.entries = {"product_128x128"}});
  const Expr i = matrix<std::int16_t>("i"), j = matrix<std::int16_t>("j");
  check({i, j}, {dot(i, j) * i}, {{{9, 9}, {9, 9}}});
}

TEST_CASE("each product of a batch has its elements' places", "[dialect]") {
  const Expr a = tensor<float>({dim("b"), dim("n"), dim("k")}, "a"),
             b = tensor<float>({dim("b"), dim("k"), dim("m")}, "b"), bias = vector<float>("bias");
  for (const Expr& e :
       {relu(matmul(a, b) + bias), exp(matmul(a, b)), matmul(a, b) * expand_dims(sum(a, {2}), {2})})
    check({a, b, bias}, {e}, {{{3, 5, 4}, {3, 4, 6}, {6}}, {{2, 1, 7}, {2, 7, 40}, {40}}});
}

TEST_CASE("gathers and scatter-adds", "[dialect]") {
  const Expr x = matrix<float>("x"), y = vector<std::int64_t>("y");
  const Expr picked = index(x, {y});
  check({x, y}, {picked * 2, grad(sum(picked * picked), std::vector<Expr>{x})[0]},
        {{{9, 5}, {30}}, {{12, 300}, {700}}, {{9, 3}, {0}}});
  // Threads past the end of a row read no position's row.
  check({x, y}, {softmax(picked)}, {{{9, 5}, {30}}, {{4, 300}, {3}}});
}

namespace {

/// Adds `count` rows of `width` to `rows` of them, in every order of threads: always with the same
/// bits, unless that was not asked for, and nearly the evaluator's. The entry launched first is to
/// be `entry`.
void check_scatter(DType dtype, std::int64_t rows, std::int64_t count, std::int64_t width,
                   const std::string& entry, bool is_deterministic = true) {
  const Expr i = vector<std::int64_t>("i"), x = tensor(dtype, {dim(), width}, "x");
  const std::vector<Expr> outputs{index_add({Dim(rows), Dim(width)}, {i}, x)};
  PlanRunner runner({i, x}, outputs, {.deterministic = is_deterministic});
  Rng rng(static_cast<std::uint64_t>(count));
  Array positions = Array::empty<std::int64_t>({count});
  for (std::int64_t k = 0; k < count; ++k) // many for the first, some for all, some from the end
    positions.at<std::int64_t>({k}) = k % 3 == 0 ? 0 : k * 7919 % (2 * rows) - rows;
  const std::vector<Array> arguments{positions, moderate(dtype, {count, width}, rng)};
  const Array want = reference({i, x}, arguments, outputs)[0];
  std::optional<Array> first;
  for (const emulator::Schedule& schedule : schedules) {
    const Array got = runner.run(arguments, schedule)[0];
    INFO(want.label() << " from " << count << " positions\n" << runner.texts(0).front().text);
    if (is_deterministic) {
      if (!first) first = got;
      CHECK(equal(got, *first));
      CHECK(difference(got, want, {.ulps = 1, .of_largest = dtype == DType::f64 ? 1e-14 : 0}) ==
            "");
    } else {
      CHECK(difference(got, want, {.ulps = 4, .of_largest = 1e-5}) == "");
    }
    CHECK(runner.launched().front() == entry);
  }
}

} // namespace

TEST_CASE("scatter-adds of few positions look through them, of many make lists", "[dialect]") {
  check_scatter(DType::f32, 70, 4096, 3, "scatter");
  check_scatter(DType::f32, 70, 4097, 3, "count_positions");
  check_scatter(DType::f32, 3000, 5000, 1, "count_positions");
  check_scatter(DType::f64, 5, 4500, 300, "count_positions");
  check_scatter(DType::i16, 9, 300, 7, "scatter");
}

TEST_CASE("scatter-adds whose order is nobody's concern are atomic", "[dialect]") {
  for (const DType t : {DType::i32, DType::u64}) check_scatter(t, 70, 500, 3, "scatter_atomic");
  for (const DType t : {DType::f32, DType::f64})
    check_scatter(t, 70, 500, 3, "scatter_atomic", false);
  check_scatter(DType::u8, 70, 500, 3, "scatter", false);
}

TEST_CASE("a position out of range is reported", "[dialect]") {
  const Expr x = matrix<float>("x"), y = vector<std::int64_t>("y");
  const auto check_failure = [&](PlanRunner& runner, Array positions) {
    positions.at<std::int64_t>({positions.numel() - 1}) = 7;
    runner.run({Array::zeros<float>({4, 5}), positions}, {});
    CHECK(runner.failure().state == 1);
    CHECK(runner.failure().value == 7);
    CHECK(runner.failure().bound == 4);
  };
  PlanRunner gather({x, y}, {index(x, {y})});
  check_failure(gather, Array::zeros<std::int64_t>({2}));
  const Expr one = cast(y, DType::f32) * 0.0f + 1.0f;
  for (const bool is_deterministic : {true, false}) {
    PlanRunner add({x, y}, {index_add({x.shape()[0]}, {y}, one)},
                   {.deterministic = is_deterministic});
    for (const std::int64_t count : {2, 5000})
      check_failure(add, Array::zeros<std::int64_t>({count}));
  }
}

TEST_CASE("random numbers are those of the CPU", "[dialect]") {
  for (DType t : {DType::f32, DType::f64}) {
    Random rng(42);
    const Expr x = matrix<float>("x");
    check({x},
          {rng.uniform(x.shape(), t), rng.uniform({5, 30}, t), transpose(rng.uniform({30, 9}, t))},
          {{{7, 5}}, {{3, 400}}}, {.of_largest = 0, .ulps = 0});
  }
}

} // namespace kroton::test
