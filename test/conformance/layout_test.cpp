/// What the planner makes of graphs that are hard to lay out: the value is the evaluator's,
/// whatever was fused, kept in place or computed in pieces.
#include <kroton/ops/movement.hpp>
#include <kroton/ops/reduction.hpp>

#include "jit/compile/capture.hpp"
#include "jit/function/function_state.hpp"
#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

/// Compiles `outputs` fused and op by op, and compares both with the evaluator for each set of
/// sizes.
void check(const std::vector<Expr>& inputs, const std::vector<Expr>& outputs,
           const std::vector<std::vector<Shape>>& calls, double tolerance = 1e-5) {
  for (Mode mode : {Mode::fast, Mode::plain}) {
    const Function f = function(inputs, outputs, {.mode = mode});
    for (const auto& shapes : calls) {
      Rng rng(shapes.size() + static_cast<std::uint64_t>(mode));
      std::vector<Array> arguments;
      for (std::size_t i = 0; i < inputs.size(); ++i)
        arguments.push_back(moderate(inputs[i].dtype(), shapes[i], rng));
      const auto want = reference(inputs, arguments, outputs);
      const auto got = f(arguments);
      for (std::size_t i = 0; i < want.size(); ++i) {
        INFO((mode == Mode::fast ? "fast" : "plain")
             << ", output " << i << ", first argument " << arguments[0].label());
        CHECK(difference(got[i], want[i],
                         {.ulps = 8, .of_largest = tolerance, .checks_zero_sign = false}) == "");
      }
    }
  }
}

std::vector<Dim> unknown(int rank) {
  std::vector<Dim> shape;
  for (int i = 0; i < rank; ++i) shape.push_back(dim());
  return shape;
}

/// x normalised over `axes`: mean and variance are reductions whose results continue.
Expr layer_norm(const Expr& x, const Axes& axes) {
  const Expr centred = x - mean(x, axes, true);
  return centred / sqrt(mean(centred * centred, axes, true) + 1e-5f);
}

} // namespace

TEST_CASE("what rows end with is summed over any number of rows",
          "[conformance][anywhere][layout]") {
  const Expr x = tensor<float>(unknown(2), "x"), y = tensor<double>(unknown(2), "y");
  const Expr top = max(x, {1}), low = min(y, {1});
  const std::vector<Expr> outputs{sum(logsumexp(x, {1})), sum(tanh(top) * top + exp(top)),
                                  sum(log(sum(exp(y), {1})) - low), x - expand_dims(top, {1})};
  std::vector<std::vector<Shape>> calls;
  for (const std::int64_t rows : {0, 1, 17, 63, 64, 65, 128, 200})
    calls.push_back({Shape{rows, 10}, Shape{rows, 3}});
  check({x, y}, outputs, calls);
}

TEST_CASE("softmax and its kin, moments and positions over each axis of ranks 1 to 4",
          "[conformance][anywhere][layout]") {
  const Shape sizes{5, 3, 4, 17};
  for (int rank = 1; rank <= 4; ++rank) {
    const Expr x = tensor<float>(unknown(rank), "x");
    for (int axis = 0; axis < rank; ++axis) {
      const Expr average = mean(x, {axis}, true);
      std::vector<std::vector<Shape>> calls;
      const Shape full(sizes.end() - rank, sizes.end());
      Shape one = full;
      one[static_cast<std::size_t>(axis)] = 1;
      calls = {{full}, {one}, {Shape(static_cast<std::size_t>(rank), 2)}};
      INFO("rank " << rank << ", axis " << axis);
      check({x},
            {softmax(x, axis), log_softmax(x, axis), logsumexp(x, {axis}), layer_norm(x, {axis}),
             mean(x, {axis}), mean((x - average) * (x - average), {axis}), argmax(x, axis),
             argmin(x, axis, true)},
            calls);
    }
  }
}

TEST_CASE("a softmax stays right when the rows are empty and when there are none",
          "[conformance][anywhere][layout]") {
  const Expr x = matrix<float>("x");
  check({x}, {softmax(x, 1), sum(x, {1}), max(x, {1}), sum(x, {0}), exp(x), min(x, {0})},
        {{{0, 5}}, {{4, 0}}, {{0, 0}}, {{1, 1}}});
}

TEST_CASE("sums over middle, outer and several axes, alone and with what uses them",
          "[conformance][anywhere][layout]") {
  const Expr x = tensor<float>(unknown(3), "x"), y = tensor<float>(unknown(4), "y");
  check({x, y},
        {sum(x, {1}), sum(x, {0}), sum(x, {0, 2}), sum(x, {0, 1}), sum(x, {1, 2}), sum(x),
         x - sum(x, {0}, true), x / (1 + sum(abs(x), {1}, true)), sum(y, {1, 2}), sum(y, {0, 3}),
         max(y, {1, 3}) * 2 + 1, sum(exp(y), {0, 1, 2})},
        {{{5, 3, 7}, {2, 3, 4, 5}},
         {{1, 1, 1}, {1, 1, 1, 1}},
         {{0, 3, 2}, {2, 3, 0, 2}},
         {{70, 2, 33}, {3, 1, 9, 20}}});
}

TEST_CASE("an outer and an inner reduction with what consumes them after all rows",
          "[conformance][anywhere][layout]") {
  const Expr x = matrix<float>("x");
  const Expr columns = sum(x, {0}), rows = sum(x, {1});
  check({x},
        {columns, rows, columns / (1 + abs(columns)), tanh(columns * 0.1f) - 2, sum(rows * rows),
         sum(softmax(x, 1), {0}), mean(x), sqrt(sum(x * x)) * 3 + 1, max(x, {0}) - min(x, {0})},
        {{{40, 9}}, {{1, 9}}, {{3, 1}}, {{300, 70}}});
}

TEST_CASE("columns fold several rows at a time, whatever their number",
          "[conformance][anywhere][layout]") {
  const Expr x = matrix<float>("x"), w = vector<float>("w");
  const Expr weighted = x * expand_dims(w, {1});
  check({x, w},
        {sum(weighted, {0}), max(x, {0}), min(weighted, {0}), max(x > 1.0f, {0}),
         min(x > -1.0f, {0}), sum(cast<double>(x), {0})},
        {{{1, 5}, {1}}, {{7, 16}, {7}}, {{8, 33}, {8}}, {{9, 40}, {9}}, {{0, 3}, {0}}});
  // In stretches of 64 rows.
  check({x, w}, {sum(weighted, {0}), mean(x, {0})},
        {{{64, 17}, {64}}, {{71, 33}, {71}}, {{136, 16}, {136}}});
}

TEST_CASE("several outputs of one kernel, one of them used by another",
          "[conformance][anywhere][layout]") {
  const Expr x = matrix<float>("x"), y = vector<float>("y");
  const Expr e = exp(x), s = e * y, t = tanh(s) + e;
  check({x, y}, {e, s, t, t * t, sum(t, {1}), sum(s)},
        {{{6, 8}, {8}}, {{1, 1}, {1}}, {{0, 3}, {3}}});
}

TEST_CASE("a path through a product keeps its two ends apart", "[conformance][anywhere][layout]") {
  const Expr x = matrix<float>("x"), w = tensor<float>({6, 6}, "w");
  const Expr a = exp(-x), b = dot(a, w), c = a + tanh(b * 0.1f), d = dot(c, w) * a;
  check({x, w}, {a, c, d, sum(c * d, {1})}, {{{7, 6}, {6, 6}}, {{1, 6}, {6, 6}}, {{0, 6}, {6, 6}}},
        1e-4);
}

TEST_CASE("a gather between two uses of a value keeps them apart",
          "[conformance][anywhere][layout]") {
  const Expr x = matrix<float>("x"), y = tensor(DType::i64, {dim()}, "y");
  const Expr e = exp(x), g = index(e, {y}), top = max(g, {0});
  const Expr out = e - top;
  const std::vector<Expr> inputs{x, y}, outputs{out, g, sum(g)};
  const Function f = function(inputs, outputs);
  const std::vector<Array> arguments{
      Array::from({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {3, 2}),
      Array::from({std::int64_t{-1}, std::int64_t{0}, std::int64_t{-1}, std::int64_t{1}})};
  const std::vector<Array> got = f(arguments), want = reference(inputs, arguments, outputs);
  for (std::size_t i = 0; i < got.size(); ++i)
    CHECK(difference(got[i], want[i], {.ulps = 4}) == "");
}

TEST_CASE("reshapes and views of views are read where their elements lie",
          "[conformance][anywhere][layout]") {
  const Expr x = tensor<float>({6, 4}, "x"), y = tensor<float>(unknown(2), "y");
  const Expr flat = reshape(exp(x), {24}), cube = reshape(exp(x), {2, 3, 4});
  const Expr turned = transpose(slice(cube, {{{}, {}, -1}, {1, {}}, {{}, {}, 2}}), {2, 0, 1});
  const Expr back = slice(slice(y, {{1, {}}, {{}, {}, -1}}), {{{}, {}, -1}, {1, {}, 2}});
  check({x, y},
        {flat, cube + 1, turned * 2, turned, sum(turned, {1}), reshape(turned, {-1}),
         reshape(transpose(x), {-1}) + flat, back, tanh(back), reshape(transpose(y), {-1}),
         sum(broadcast_to(expand_dims(back, {0}), {Dim(3), back.shape()[0], back.shape()[1]}), {1}),
         softmax(reshape(x, {4, 6}), 1), expand_dims(sum(x, {1}), {0, 2}),
         squeeze(sum(x, {1}, true)) * 2},
        {{{6, 4}, {5, 9}}, {{6, 4}, {1, 1}}, {{6, 4}, {2, 2}}});
}

TEST_CASE("buffers are reused without harm in a chain with many live values",
          "[conformance][anywhere][layout]") {
  const Expr x = tensor<float>({8, 8}, "x");
  std::vector<Expr> live{x};
  for (int i = 0; i < 24; ++i) {
    // Products stand between kernels, so that every value has memory of its own.
    const Expr& last = live.back();
    const Expr& older = live[live.size() * 2 / 3];
    live.push_back(tanh(0.1f * dot(transpose(last), last)) - 0.25f * older);
  }
  std::vector<Expr> outputs{live.back(), live[live.size() - 4], sum(live[8]), live[5]};
  const std::vector<Expr> inputs{x};
  const Function f = function(inputs, outputs);
  const jit::FunctionState state(jit::make_signature(inputs, outputs, {}, Location::current()), {});
  const plan::Plan& plan = state.compiled().program->plan();
  INFO(plan.to_string());
  CHECK(plan.slots.size() < 12);
  Rng rng(3);
  const std::vector<Array> arguments{moderate(DType::f32, {8, 8}, rng)};
  const std::vector<Array> got = f(arguments), want = reference(inputs, arguments, outputs);
  for (std::size_t i = 0; i < got.size(); ++i)
    CHECK(difference(got[i], want[i], {.of_largest = 1e-3}) == "");
}

TEST_CASE("an update may return the old value, or the new one, or both",
          "[conformance][anywhere][layout]") {
  const Expr x = vector<float>("x");
  const Array start = Array::from({1.f, 2.f, 3.f}), by = Array::from({10.f, 20.f, 30.f});
  const std::vector<float> before{1, 2, 3}, after{11, 22, 33}, later{21, 42, 63};
  const Shared w = shared(start, "w");
  const Expr next = w + x;
  const Function f = function({x}, {w, next, next * 2}, {.updates = {{w, next}}});
  auto out = f({by});
  CHECK(out[0].to_vector<float>() == before);
  CHECK(out[1].to_vector<float>() == after);
  CHECK(out[2].to_vector<float>() == std::vector<float>{22, 44, 66});
  CHECK(w.get().to_vector<float>() == after);
  out = f({by});
  CHECK(out[0].to_vector<float>() == after);
  CHECK(w.get().to_vector<float>() == later);

  const Function in_place = function({x}, std::vector<Expr>{}, {.updates = {{w, next}}});
  in_place({by});
  CHECK(w.get().to_vector<float>() == std::vector<float>{31, 62, 93});
}

TEST_CASE("two variables swap", "[conformance][anywhere][layout]") {
  const Shared a = shared(Array::from({1.f, 2.f}), "a"), b = shared(Array::from({7.f, 8.f}), "b");
  const Function swap = function({}, std::vector<Expr>{}, {.updates = {{a, b}, {b, a}}});
  for (int i = 0; i < 5; ++i) {
    swap(std::initializer_list<Array>{});
    CHECK(a.get().to_vector<float>() ==
          (i % 2 == 0 ? std::vector<float>{7, 8} : std::vector<float>{1, 2}));
    CHECK(b.get().to_vector<float>() ==
          (i % 2 == 0 ? std::vector<float>{1, 2} : std::vector<float>{7, 8}));
  }
}

TEST_CASE("an update reads other variables as they were", "[conformance][anywhere][layout]") {
  const Expr x = vector<float>("x");
  for (bool is_reversed : {false, true}) {
    const Shared v = shared(Array::from({1.f, 1.f}), "v"), w = shared(Array::from({5.f, 6.f}), "w");
    std::vector<Update> updates{{v, 0.5f * v + x}, {w, w - v}};
    if (is_reversed) std::swap(updates[0], updates[1]);
    const Function f = function({x}, sum(w), {.updates = updates});
    CHECK(f({Array::from({4.f, 8.f})})[0].item<float>() == 11);
    CHECK(v.get().to_vector<float>() == std::vector<float>{4.5f, 8.5f});
    CHECK(w.get().to_vector<float>() == std::vector<float>{4, 5});
    CHECK(f({Array::from({0.f, 0.f})})[0].item<float>() == 9);
    CHECK(w.get().to_vector<float>() == std::vector<float>{-0.5f, -3.5f});
  }
}

TEST_CASE("a permuted or reduced variable is not updated while it is read",
          "[conformance][anywhere][layout]") {
  const Array start = Array::from({1.f, 2.f, 3.f, 4.f, 5.f, 6.f, 7.f, 8.f, 9.f}, {3, 3});
  Shared w = shared(start, "w");
  const std::vector<Expr> values{
      transpose(w),
      w - sum(w, {0}, true),
      w / sum(w),
      slice(w, {{{}, {}, -1}, {{}, {}, -1}}) + w,
      dot(w, w),
      w - 0.1f * dot(transpose(w), w),
      softmax(w, 0),
      softmax(w, 1),
      w + broadcast_to(slice(w, {{0, 1}}), {3, 3}),
      index(w, {constant(Array::from({std::int64_t{2}, std::int64_t{0}, std::int64_t{1}}))}) * w};
  for (std::size_t k = 0; k < values.size(); ++k) {
    INFO("update " << k);
    w.set(start);
    const Function f = function({}, std::vector<Expr>{}, {.updates = {{w, values[k]}}});
    for (int i = 0; i < 2; ++i) {
      const auto want = reference({}, {}, {values[k]});
      f(std::initializer_list<Array>{});
      CHECK(difference(w.get(), want[0], {.ulps = 4, .of_largest = 1e-6}) == "");
    }
  }
}

TEST_CASE("what a kernel keeps of two inner axes does not run into its neighbour",
          "[conformance][anywhere][layout]") {
  // A bias along the last axis keeps the inner axes apart; their lines end within a vector.
  const Dim n = dim("n"), a = dim("a"), b = dim("b");
  const Expr x = tensor<float>({n, a, b}, "x"), v = tensor<float>({b}, "v");
  const Expr e = exp(x + v), share = e / sum(e, {1, 2}, true);
  const Function f = function({x, v}, {share, sum(share * 2.0f, {0})}, {.threads = 1});
  for (const auto& [rows, columns] : {std::pair{3, 17}, {3, 33}, {5, 19}, {2, 47}}) {
    CAPTURE(rows, columns);
    const Array ones = Array::full<float>({100, rows, columns}, 1.0f),
                zeros = Array::zeros<float>({columns});
    const auto out = f({ones, zeros});
    for (float w : out[0].to_vector<float>()) CHECK(w == Approx(1.0 / (rows * columns)));
    for (float w : out[1].to_vector<float>()) CHECK(w == Approx(200.0 / (rows * columns)));
  }
}

TEST_CASE("a million f32 keep their digits when columns are summed",
          "[conformance][anywhere][lengthy][layout]") {
  // Added one by one in f32, a column of a million 0.1 was wrong by one percent.
  const Expr x = matrix<float>("x");
  for (int threads : {1, 2}) {
    const Function f = function({x}, {sum(x, {0}), mean(x, {0}), sum(x)}, {.threads = threads});
    const auto out = f({Array::full<float>({1000000, 3}, 0.1f)});
    for (float v : out[0].to_vector<float>()) CHECK(v == Approx(1e6 * double(0.1f)).epsilon(1e-6));
    for (float v : out[1].to_vector<float>()) CHECK(v == Approx(double(0.1f)).epsilon(1e-6));
    CHECK(out[2].item<float>() == Approx(3e6 * double(0.1f)).epsilon(1e-6));
  }
}

TEST_CASE("the number of threads changes no element and no sum twice",
          "[conformance][anywhere][lengthy][layout]") {
  const Expr x = matrix<float>("x");
  const std::vector<Expr> elementwise{exp(x) * 2 + tanh(x), softmax(x, 1), sum(x, {1}),
                                      argmax(x, 1)};
  const std::vector<Expr> sums{sum(x), sum(x, {0}), mean(x * x), max(x, {0}), argmax(x, 0)};
  Rng rng(11);
  const std::vector<Array> arguments{moderate(DType::f32, {3000, 101}, rng)};
  std::vector<std::vector<Array>> by_threads;
  const auto want = reference({x}, arguments, sums);
  for (int threads : {1, 2, 4}) {
    by_threads.push_back(function({x}, elementwise, {.threads = threads})(arguments));
    const Function f = function({x}, sums, {.threads = threads});
    const auto first = f(arguments);
    INFO(threads << " threads");
    for (int again = 0; again < 5; ++again) {
      const auto next = f(arguments);
      for (std::size_t i = 0; i < sums.size(); ++i) CHECK(difference(next[i], first[i]) == "");
    }
    for (std::size_t i = 0; i < sums.size(); ++i)
      CHECK(difference(first[i], want[i], {.of_largest = 1e-5}) == "");
  }
  for (std::size_t k = 1; k < by_threads.size(); ++k)
    for (std::size_t i = 0; i < elementwise.size(); ++i)
      CHECK(difference(by_threads[k][i], by_threads[0][i]) == "");
}

TEST_CASE("large results are written whole, and nothing beside them", "[conformance][layout]") {
  const Expr x = vector<float>("x");
  const Function f = function({x}, x + 1.0f, {.threads = 2});
  CHECK(f.source().find("rows_streamed") != std::string::npos);
  constexpr std::int64_t n = (std::int64_t{16} << 20) / 4 + 1003;
  const Array ones = Array::full<float>({n}, 1.0f);
  // From a start that is no start of a cache line, with a guard on either side.
  std::vector<float> memory(static_cast<std::size_t>(n) + 2, 7.0f);
  f.call_into({ones}, {Array::view(memory.data() + 1, {n})});
  CHECK(memory.front() == 7.0f);
  CHECK(memory.back() == 7.0f);
  memory.pop_back();
  CHECK(std::ranges::all_of(memory.begin() + 1, memory.end(), [](float v) { return v == 2.0f; }));
}

} // namespace kroton::test
