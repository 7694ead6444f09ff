/// Every op of the table that is not elementwise, compiled, against the evaluator: reductions over
/// all sets of axes, and the examples that the rows of the others bring. A row without them fails
/// the first test.
#include <kroton/random.hpp>
#include <kroton/ops/reduction.hpp>

#include "jit/function/backends.hpp"
#include "lib/ops/random.hpp"
#include "lib/ops/reduction.hpp"
#include "lib/ops/table.hpp"
#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/conformance/subjects.hpp"
#include "test/support/catch.hpp"
#include "test/support/unfamiliar_ops.hpp"

namespace kroton::test {
namespace {

using ir::Op;

void check(const Subject& s, Mode mode, DType t) {
  if (s.cases.empty()) return;
  std::vector<Expr> outputs;
  for (const Case& c : s.cases) outputs.push_back(c.expr);
  const Function f = function(s.inputs, outputs, {.mode = mode});
  for (std::size_t call = 0; call < s.calls.size(); ++call) {
    Rng rng(call + 17);
    std::vector<Array> arguments;
    for (std::size_t i = 0; i < s.inputs.size(); ++i) {
      const auto& [shapes, ranges] = s.calls[call];
      Array a = moderate(s.inputs[i].dtype(), shapes[i], rng);
      if (const auto range = ranges.find(s.inputs[i].name()); range != ranges.end()) {
        Array at = Array::empty(DType::i64, shapes[i]);
        for (std::int64_t k = 0; k < at.numel(); ++k)
          at.data<std::int64_t>()[k] =
              range->second.first + rng.below(range->second.second - range->second.first);
        a = at.astype(s.inputs[i].dtype());
      }
      const auto ways = laid_out(a);
      arguments.push_back(ways[(call + i) % ways.size()]);
    }
    const auto want = reference(s.inputs, arguments, outputs);
    const auto got = f(arguments);
    for (std::size_t i = 0; i < want.size(); ++i) {
      INFO(s.cases[i].what << ", " << to_string(t) << ", call " << call
                           << (mode == Mode::fast ? ", fast" : ", plain"));
      // Movement is exact; sums may be taken in any order.
      const bool is_exact = !is_float(t);
      CHECK(difference(got[i], want[i],
                       is_exact ? Tolerance{}
                                : Tolerance{.ulps = 0,
                                            .of_largest = t == DType::f32 ? 1e-5 : 1e-13,
                                            .checks_zero_sign = false}) == "");
    }
  }
}

/// Op by op, a dtype of each kind does: there a kernel's text differs in the name of the dtype
/// alone.
bool is_representative(DType t) {
  return t == DType::bool_ || t == DType::i16 || t == DType::u64 || t == DType::f32;
}

void check(const Builder& build, std::span<const DType> dtypes) {
  for (DType t : dtypes) {
    check(build(t), Mode::fast, t);
    if (is_representative(t)) check(build(t), Mode::plain, t);
  }
}

} // namespace

TEST_CASE("every op is elementwise, a reduction or brings examples of itself", "[conformance]") {
  for (const Op* op : ops::all()) {
    if (op->is(ir::Kind::elementwise) || op->is_reduction()) continue;
    INFO(op->name);
    REQUIRE(op->examples != nullptr);
    bool occurs = false;
    for (const ir::Example& example : op->examples(DType::f64))
      for (const ir::Node* n : ir::topological_order({&example.expr, 1})) occurs |= n->op == op;
    CHECK(occurs);
  }
}

TEST_CASE("every reduction over every set of axes, in every dtype, equals the evaluator",
          "[conformance][anywhere]") {
  for (const Op* op : ops::all()) {
    if (!op->is_reduction()) continue;
    std::vector<DType> dtypes;
    for (DType t : all_dtypes)
      if (takes(*op, t)) dtypes.push_back(t);
    check([op](DType t) { return reductions(*op, t); }, dtypes);
  }
}

TEST_CASE("a fold that no stage was written for equals the evaluator", "[conformance][anywhere]") {
  for (const Op* op : unfamiliar_folds())
    for (DType t : {DType::i8, DType::i32, DType::u32, DType::i64}) {
      INFO(op->name);
      check(reductions(*op, t), Mode::fast, t);
    }
}

TEST_CASE("a fold that no stage was written for is fused with what is around it",
          "[conformance][anywhere]") {
  const Expr x = tensor(DType::i32, {dim(), dim()}, "x"), y = tensor(DType::i32, {70, 1}, "y");
  const auto folded = [](const Op& op, const Expr& e, std::vector<std::int64_t> axes) {
    return ir::make(op, {e}, ir::AxesParams{std::move(axes)}, Location::current());
  };
  Rng rng(5);
  const std::vector<Array> arguments{moderate(DType::i32, {70, 33}, rng),
                                     moderate(DType::i32, {70, 1}, rng)};
  for (const Op* op : unfamiliar_folds()) {
    const Expr row = folded(*op, 2 * x + 1, {1}), spread = expand_dims(row, {1});
    const std::vector<Expr> outputs{
        row,
        x - spread,                // read by a later stage
        folded(*op, row + 1, {0}), // of what was folded
        sum(x * spread, {1}),      // beside a fold with a function for vectors
        folded(*op, x, {0}) + 3,   // columns, and what follows from them
        folded(*op, cast(x > 0, DType::i32), {0, 1}),
        folded(*op, y, {1}) - 1, // of one element
    };
    const Function f = function({x, y}, outputs);
    const std::vector<Array> want = reference({x, y}, arguments, outputs), got = f(arguments);
    for (std::size_t i = 0; i < want.size(); ++i) {
      INFO(op->name << ", output " << i);
      CHECK(difference(got[i], want[i], {}) == "");
    }
  }
}

TEST_CASE("extremes and their positions see NaN, infinities and signed zeros",
          "[conformance][anywhere]") {
  for (DType t : {DType::f32, DType::f64}) {
    const Expr x = tensor(t, {dim(), dim()}, "x");
    const std::vector<Expr> outputs{max(x, {0}),  max(x, {1}),  min(x, {0}),  min(x, {1}),
                                    argmax(x, 0), argmax(x, 1), argmin(x, 0), argmin(x, 1),
                                    max(x),       min(x)};
    const Function f = function({x}, outputs);
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
      Rng rng(seed);
      const Array wide = tricky(t, {30, 33}, rng, seed % 2 == 0);
      const Array a = wide.slice(0, rng.below(10), 12 + rng.below(18))
                          .slice(1, rng.below(10), 11 + rng.below(20));
      const std::vector<Array> got = f({a}), want = reference({x}, {a}, outputs);
      for (std::size_t i = 0; i < want.size(); ++i) {
        INFO(to_string(t) << ", output " << i << ", seed " << seed);
        CHECK(difference(got[i], want[i], {.checks_zero_sign = false}) == "");
      }
    }
  }
}

TEST_CASE("a diagonal moves along two axes at once, in loops of vectors too",
          "[conformance][anywhere]") {
  for (DType t : {DType::f32, DType::f64, DType::i32}) {
    const Expr x = tensor(t, {dim("n"), dim("n")}, "x");
    const Expr i = arange(x.dim(0));
    const Expr backwards = slice(x, {{{}, {}, -1}});
    const std::vector<Expr> outputs{index(x, {i, i}), sum(index(x, {i, i})),
                                    index(backwards, {i, i}) + 1, sum(index(x * x, {i, i})),
                                    max(index(backwards, {i, i}))};
    const Function f = function({x}, outputs);
    for (std::int64_t n : {1, 7, 20, 100}) {
      Rng rng(static_cast<std::uint64_t>(n));
      const Array given = moderate(t, {n, n}, rng);
      const std::vector<Array> got = f({given}), want = reference({x}, {given}, outputs);
      for (std::size_t o = 0; o < want.size(); ++o) {
        INFO(to_string(t) << ", " << n << ", output " << o);
        CHECK(difference(got[o], want[o],
                         is_float(t) ? Tolerance{.of_largest = 1e-5, .checks_zero_sign = false}
                                     : Tolerance{}) == "");
      }
    }
  }
}

TEST_CASE("the examples of every op, in every dtype, equal the evaluator",
          "[conformance][anywhere]") {
  const bool for_device = jit::backend_for({})->is_device();
  for (const Op* op : ops::all()) {
    if (!op->examples) continue;
    std::vector<DType> dtypes;
    for (DType t : all_dtypes)
      if (!op->examples(t).empty()) dtypes.push_back(t);
    CHECK(!dtypes.empty());
    check([=](DType t) { return examples(*op, t, for_device); }, dtypes);
  }
}

TEST_CASE("random numbers equal the evaluator bit for bit, whatever the thread count",
          "[conformance][anywhere]") {
  for (DType t : {DType::f32, DType::f64})
    for (int threads : {1, 2, 4}) {
      Random rng(42);
      const Expr x = matrix<float>("x"), b = vector<float>("b");
      // Those that normal takes logarithms of; f64 has no others.
      auto positive = [&, draw = std::int64_t{50}](std::vector<Dim> shape) mutable {
        return ir::make(ops::uniform, {rng.state()},
                        ops::UniformParams{{draw++}, std::move(shape), t, t == DType::f32},
                        Location::current());
      };
      const std::vector<Expr> outputs{positive({33}),
                                      positive({7, 9}) * rng.uniform({7, 9}, t),
                                      transpose(positive({30, 80})) + cast(b, t),
                                      max(positive({90, 30}), {0}),
                                      rng.uniform({100, 7}, t),
                                      rng.uniform(x.shape(), t),
                                      rng.uniform({}, t),
                                      rng.bernoulli(0.3, {33}),
                                      transpose(rng.uniform({5, 6}, t)),
                                      slice(rng.uniform({64}, t), {{{}, {}, -1}}),
                                      rng.uniform({150, 30}, t) + cast(b, t),
                                      rng.uniform({3, 30}, t) + cast(b, t),
                                      rng.uniform({5, 7, 30}, t) + cast(b, t),
                                      transpose(rng.uniform({30, 80}, t)) + cast(b, t),
                                      rng.uniform({9, 1500}, t) + rng.uniform({1500}, t),
                                      max(rng.uniform({90, 30}, t), {0}),
                                      max(rng.uniform({90, 80}, t), {0})};
      const Function f = function({x, b}, outputs, {.threads = threads});
      const Array bs = Array::zeros<float>({30});
      for (const Shape& shape : {Shape{3, 5}, Shape{700, 90}, Shape{0, 2}, Shape{1, 1}}) {
        const Array xs = Array::zeros<float>(shape);
        const auto want = reference({x, b}, {xs, bs}, outputs);
        const auto got = f({xs, bs});
        for (std::size_t i = 0; i < want.size(); ++i) {
          INFO(to_string(t) << ", " << threads << " threads, output " << i);
          CHECK(difference(got[i], want[i]) == "");
        }
      }
      CHECK(rng.state().get().to_vector<std::uint64_t>() == std::vector<std::uint64_t>{42, 4});
    }
}

} // namespace kroton::test
