/// Gradients of many reads of one array: each read adds what it has of elements, and no more.
#include <functional>

#include <kroton/grad.hpp>
#include <kroton/ops/indexing.hpp>
#include <kroton/ops/movement.hpp>

#include "lib/ops/assemble.hpp"
#include "lib/rewrite/pipeline.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {
namespace {

/// Part `t` of T of an array.
using Read = std::function<Expr(const Expr& x, std::int64_t t)>;

/// What a graph computes of arrays: nodes, and their elements without those that are put together
/// in place.
struct Work {
  std::size_t nodes = 0;
  double elements = 0;
};

Work work_of(const Expr& e, std::int64_t size) {
  ir::Graph g = ir::Graph::capture({&e, 1});
  rewrite::run_pipeline(g, {});
  const auto size_of = [&](const ir::DimNode&) { return size; };
  Work work;
  for (ir::NodeId id : g.order()) {
    ++work.nodes;
    if (g[id].op == &ops::assemble || g[id].is_leaf() || g[id].op->is(ir::Kind::movement)) continue;
    work.elements +=
        static_cast<double>(ir::dims::evaluate(ir::dims::product(g[id].type.shape), size_of));
  }
  return work;
}

/// The gradient of a recurrence over reads of one array, by what the array is made of.
Expr gradient_of_recurrence(const Expr& leaf, const Expr& x, std::int64_t length,
                            const Read& read) {
  Expr h = tanh(read(x, 0));
  for (std::int64_t t = 1; t < length; ++t) h = tanh(h + read(x, t));
  return grad(sum(h), leaf);
}

} // namespace

TEST_CASE("the gradient of many reads of one array grows as the reads do", "[grad]") {
  // A gradient of its own for each read, as large as the array, used to be added to the others'.
  struct Kind {
    const char* name;
    Read read;
  };
  const Kind kinds[] = {
      {"numbers on the first axis", [](const Expr& x, std::int64_t t) { return index(x, {t}); }},
      {"numbers from the end", [](const Expr& x, std::int64_t t) { return index(x, {-1 - t}); }},
      {"numbers on the second axis",
       [](const Expr& x, std::int64_t t) {
         return index(transpose(x), {Range{}, t});
       }},
      {"slices",
       [](const Expr& x, std::int64_t t) {
         return slice(x, {{t, t + 1}});
       }},
      {"slices that overlap",
       [](const Expr& x, std::int64_t t) {
         return slice(x,
                      {{std::max<std::int64_t>(t - 1, 0), std::max<std::int64_t>(t - 1, 0) + 2}});
       }},
      {"slices that go down",
       [](const Expr& x, std::int64_t t) {
         return slice(x, {{t, t == 0 ? std::optional<std::int64_t>() : t - 1, -1}});
       }},
      {"positions that are computed",
       [](const Expr& x, std::int64_t t) {
         return index(x, {cast(sum(stop_gradient(slice(x, {{t, t + 1}}))), DType::i64)});
       }},
  };
  for (const Kind& kind : kinds)
    for (const bool is_known : {true, false}) {
      INFO(kind.name << (is_known ? ", sizes are known" : ", sizes are not known"));
      const auto work = [&](std::int64_t length) {
        const Dim n = is_known ? Dim(length) : dim("n");
        const Expr x = tensor(DType::f64, {n, Dim(5)}, "x"), w = vector<double>("w");
        return work_of(gradient_of_recurrence(w, x * w, length, kind.read), length);
      };
      const Work less = work(32), more = work(128);
      CHECK(static_cast<double>(more.nodes) < 4.5 * static_cast<double>(less.nodes));
      CHECK(more.elements < 4.5 * less.elements);
    }
}

TEST_CASE("gradients of reads of one array agree with finite differences", "[grad]") {
  const Expr first = constant(Array::from(std::vector<std::int64_t>{2, 0, 2}, {3}));
  const auto reads = [&](const Expr& x) {
    return std::vector<Expr>{
        sum(index(x, {std::int64_t{0}})),
        sum(exp(index(x, {std::int64_t{-1}}))),
        sum(tanh(slice(x, {{1, 4}, {{}, {}, 2}}))),
        sum(slice(x, {{{}, {}, -2}, {3, 0, -1}}) * 3.0),
        sum(index(x, {Range{}, std::int64_t{2}}) * index(x, {Range{}, std::int64_t{-2}})),
        index(x, {std::int64_t{1}, std::int64_t{1}}),
        sum(index(x, {first}) * 2.0),
        sum(tanh(index(x, {first, first}))),
        sum(index(x, {first}) * index(x, {2 - first})),
        sum(index(slice(transpose(x), {{1, {}}}), {std::int64_t{2}, Range{1, 3}})),
        sum(slice(x, {{2, 2}})),
        sum(x * x),
    };
  };
  const Array at =
      Array::from(std::vector<double>{.1,  .7, -.3, .9,   -.5, .2,  .4,   -.8, .6,  .3,
                                      -.1, .5, .25, -.75, .35, .15, -.45, .65, .05, -.95},
                  {4, 5});
  const auto cost = [&](const Expr& x, std::size_t skipped) {
    const std::vector<Expr> terms = reads(x * x + x);
    Expr sum_of = terms[(skipped + 1) % terms.size()];
    for (std::size_t i = 2; i < terms.size(); ++i)
      sum_of = sum_of * 0.7 + terms[(skipped + i) % terms.size()];
    return sum_of;
  };
  for (std::size_t skipped = 0; skipped < 12; ++skipped) {
    INFO("without read " << skipped);
    CHECK(verify_grad([&](const std::vector<Expr>& v) { return cost(v[0], skipped); }, {at}, 1e-6)
              .worst <= 1e-6);
    CHECK(verify_grad(
              [&](const std::vector<Expr>& v) {
                const Expr g = grad(cost(v[0], skipped), v[0]);
                return sum(g * g);
              },
              {at}, 1e-6)
              .worst <= 1e-5);
  }
}

TEST_CASE("windows are apart if they are along some axis, or in steps that never meet", "[grad]") {
  using ops::Window;
  const auto along = [](std::int64_t start, std::int64_t step, std::int64_t length) {
    return Window{{Dim(start)}, {step}, {Dim(length)}};
  };
  CHECK(ops::are_disjoint(std::vector{along(0, 1, 3), along(3, 1, 2)}));
  CHECK_FALSE(ops::are_disjoint(std::vector{along(0, 1, 4), along(3, 1, 2)}));
  CHECK(ops::are_disjoint(std::vector{along(5, -1, 3), along(2, -1, 3)}));
  CHECK_FALSE(ops::are_disjoint(std::vector{along(5, -1, 4), along(2, -1, 3)}));
  CHECK(ops::are_disjoint(std::vector{along(0, 2, 5), along(1, 2, 5), along(0, 2, 0)}));
  CHECK(ops::are_disjoint(std::vector{along(1, 4, 3), along(8, -6, 2)}));
  CHECK_FALSE(ops::are_disjoint(std::vector{along(0, 2, 5), along(3, 3, 2)}));
  const Dim n = dim("n"), m = dim("m");
  CHECK_FALSE(ops::are_disjoint(std::vector{Window{{n}, {1}, {1}}, Window{{Dim(0)}, {1}, {1}}}));
  CHECK_FALSE(ops::are_disjoint(
      std::vector{Window{{n, Dim(0)}, {1, 1}, {1, 2}}, Window{{Dim(0), Dim(1)}, {1, 1}, {m, m}}}));
  CHECK(ops::are_disjoint(
      std::vector{Window{{n, Dim(0)}, {1, 1}, {1, 2}}, Window{{Dim(0), Dim(2)}, {1, 1}, {n, m}}}));
  CHECK(ops::are_disjoint(
      std::vector{Window{{Dim(0)}, {2}, {n}}, Window{{ir::dims::mul(n, Dim(2))}, {1}, {m}}}));
  CHECK(ops::are_disjoint(std::vector{Window{{n, Dim(0)}, {1, 1}, {1, 2}},
                                      Window{{Dim(0), Dim(2)}, {1, 1}, {n, Dim(3)}}}));
}

} // namespace kroton::test
