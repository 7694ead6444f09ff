/// Every op of the table that is not elementwise, compiled, against the evaluator: reductions over
/// all sets of axes, movement, products, indexing and random numbers. A new op without a builder
/// here fails the first test.
#include <map>

#include <kroton/random.hpp>

#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

using ir::Op;

struct Case {
  std::string what;
  Expr expr;
};
/// Inputs, what is made of them, and the shapes of the inputs in each call.
struct Subject {
  std::vector<Expr> inputs;
  std::vector<Case> cases;
  std::vector<std::vector<Shape>> calls;
  /// Elements of integer inputs: [lo, hi); moderate ones if empty.
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> ranges = {};
};
using Builder = std::function<Subject(DType)>;

bool takes(const Op& op, DType t) {
  return op.dtypes == ir::Dtypes::any || (op.dtypes == ir::Dtypes::numeric && !is_bool(t)) ||
         (op.dtypes == ir::Dtypes::floating && is_float(t));
}

Location here() { return Location::current(); }

Subject reductions(const Op& op, DType t) {
  const bool is_position = op.has(ir::Trait::arg_reduction);
  Subject s;
  for (int rank = 1; rank <= 3; ++rank) {
    std::vector<Dim> shape;
    for (int i = 0; i < rank; ++i) shape.push_back(dim());
    const Expr x = tensor(t, shape, fmt::format("x{}", rank));
    s.inputs.push_back(x);
    for (int set = 1; set < (1 << rank); ++set) {
      std::vector<std::int64_t> axes;
      for (int i = 0; i < rank; ++i)
        if (set >> i & 1) axes.push_back(i);
      if (is_position && axes.size() != 1) continue;
      auto add = [&](std::string what, const Expr& from) {
        const Expr r = ir::make(op, {from}, {.ints = axes}, here());
        s.cases.push_back({fmt::format("{} over axes {:b} of {}", op.name, set, what), r});
        std::vector<Dim> kept = from.shape();
        for (std::int64_t a : axes) kept[static_cast<std::size_t>(a)] = 1;
        if (set % 2 == 0)
          s.cases.push_back({s.cases.back().what + " keeping dims",
                             ir::make(ops::reshape, {r}, {.dims = kept}, here())});
      };
      add(fmt::format("rank {}", rank), x);
      if (rank == 3 && set % 3 == 1) add("a transposed array", transpose(x));
      if (rank == 2) add("a reversed array", slice(x, {{{}, {}, -1}, {{}, {}, -1}}));
      if (rank == 2 && set != 1) add("a sliced array", slice(x, {{0, {}, 2}, {0, {}, 2}}));
      if (rank == 1)
        add("a repeated array", broadcast_to(expand_dims(x, {1}), {x.shape()[0], Dim(3)}));
    }
  }
  s.calls = {{{70}, {9, 33}, {5, 6, 7}}, {{1}, {1, 1}, {1, 1, 1}}, {{2}, {40, 3}, {2, 1, 9}}};
  if (!is_position) s.calls.push_back({{0}, {3, 0}, {2, 0, 4}});
  return s;
}

Subject movement(DType t) {
  const Dim n = dim("n"), m = dim("m");
  const Expr x = tensor(t, {n, m}, "x"), c = tensor(t, {4, 6}, "c"), k = tensor(t, {3, 2, 5}, "k"),
             v = tensor(t, {n}, "v"), o = tensor(t, {}, "o");
  Subject s{{x, c, k, v, o}, {}, {}};
  auto add = [&](std::string what, const Expr& e) { s.cases.push_back({std::move(what), e}); };
  add("reshape to one axis", reshape(x, {-1}));
  add("reshape of a static array", reshape(c, {3, 8}));
  add("reshape of a transposed array", reshape(transpose(c), {2, 12}));
  add("reshape of a scalar", reshape(o, {1, 1}));
  add("transpose", transpose(x));
  for (auto p : {std::vector<int>{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}})
    add(fmt::format("transpose to {}{}{}", p[0], p[1], p[2]), transpose(k, p));
  add("broadcast of a scalar", broadcast_to(o, {n, Dim(3)}));
  add("broadcast of a vector", broadcast_to(v, {Dim(2), n}));
  add("broadcast of a column", broadcast_to(expand_dims(v, {1}), {n, m}));
  add("expand and squeeze", squeeze(expand_dims(x, {0, 2}), {0}));
  const std::vector<std::vector<Range>> slices{
      {{1, {}}},    {{{}, -1}},  {{{}, {}, -1}}, {{-2, {}, -1}}, {{{}, {}, 2}, {1, {}, 3}},
      {{2, 0, -1}}, {{100, {}}}, {{-100, 100}},  {{3, 1}},       {{{}, {}, -2}, {-1, {}, -3}}};
  for (std::size_t i = 0; i < slices.size(); ++i) {
    add(fmt::format("slice {}", i), slice(x, slices[i]));
    add(fmt::format("slice {} of a static array", i), slice(c, slices[i]));
  }
  add("a slice of a slice", slice(slice(x, {{{}, {}, -1}}), {{1, {}, 2}}));
  add("stop-gradient", stop_gradient(x));
  add("copy", ir::make(ops::copy, {transpose(x)}, {}, here()));
  if (!is_bool(t)) {
    // Put back among zeros: start 1, step 2.
    add("unslice", ir::make(ops::unslice, {c},
                            {.ints = {2, 1}, .dims = {Dim(1), Dim(2), Dim(9), Dim(10)}}, here()));
    add("unslice backwards",
        ir::make(ops::unslice, {c}, {.ints = {-2, -1}, .dims = {Dim(7), Dim(5), Dim(9), Dim(6)}},
                 here()));
  }
  s.calls = {{{5, 7}, {4, 6}, {3, 2, 5}, {5}, {}},
             {{1, 1}, {4, 6}, {3, 2, 5}, {1}, {}},
             {{0, 3}, {4, 6}, {3, 2, 5}, {0}, {}},
             {{2, 40}, {4, 6}, {3, 2, 5}, {2}, {}}};
  return s;
}

Subject products(DType t) {
  const Dim n = dim("n"), m = dim("m"), k = dim("k"), l = dim("l");
  const Expr a = tensor(t, {n, k}, "a"), b = tensor(t, {k, m}, "b"), bt = tensor(t, {m, k}, "bt"),
             v = tensor(t, {k}, "v"), p = tensor(t, {l, n, k}, "p"), q = tensor(t, {l, k, m}, "q"),
             c = tensor(t, {n, m}, "c"), one = tensor(t, {1, k, 3}, "one"), s0 = tensor(t, {}, "s");
  Subject s{{a, b, bt, v, p, q, c, one, s0}, {}, {}};
  auto add = [&](std::string what, const Expr& e) { s.cases.push_back({std::move(what), e}); };
  add("dot", dot(a, b));
  add("dot with a transposed matrix", dot(a, transpose(bt)));
  add("dot of a reversed matrix", dot(slice(a, {{{}, {}, -1}, {{}, {}, -1}}), b));
  add("transposed product", transpose(dot(transpose(b), transpose(a))));
  add("matrix times vector", dot(a, v));
  add("vector times matrix", dot(v, b));
  add("inner product", dot(v, v));
  add("batched", matmul(p, q));
  add("batched, one side shared", matmul(p, b));
  add("batched, broadcast", matmul(p, one));
  if (is_float(t)) add("gemm", ir::make(ops::gemm, {c, a, b, s0}, {}, here()));
  add("added", c + dot(a, b));
  add("subtracted and scaled", c - dot(a, b) * s0);
  for (auto [N, M, K, L] : {std::array<std::int64_t, 4>{5, 7, 3, 2},
                            {1, 1, 1, 1},
                            {0, 3, 2, 2},
                            {3, 2, 0, 1},
                            {33, 40, 17, 3},
                            {8, 64, 9, 1}})
    s.calls.push_back({{N, K}, {K, M}, {M, K}, {K}, {L, N, K}, {L, K, M}, {N, M}, {1, K, 3}, {}});
  return s;
}

Subject indexing(DType t) {
  const Dim n = dim("n"), m = dim("m"), l = dim("l");
  const Expr x = tensor(t, {n, m}, "x"), i = tensor(DType::i64, {l}, "i"),
             j = tensor(DType::i32, {l}, "j"), k = tensor(DType::i64, {2, 3}, "k"),
             y = tensor(DType::u8, {n}, "y"), cube = tensor(t, {3, 4, 5}, "cube"),
             g = tensor(t, {l, m}, "g"), h = tensor(t, {l}, "h");
  Subject s{{x, i, j, k, y, cube, g, h}, {}, {}};
  auto add = [&](std::string what, const Expr& e) { s.cases.push_back({std::move(what), e}); };
  add("rows", index(x, {i}));
  add("columns", index(x, {Range{}, j}));
  add("elements", index(x, {i, j}));
  add("one of each row", index(x, {arange(x.dim(0)), y}));
  add("a block of positions", index(x, {k}));
  add("a block of columns", index(x, {Range{}, k}));
  add("a row by number", index(x, {std::int64_t{-1}}));
  add("an element by number", index(x, {std::int64_t{0}, std::int64_t{1}}));
  add("rows of a reversed array", index(slice(x, {{{}, {}, -1}, {{}, {}, -1}}), {i}));
  add("columns of a transposed array", index(transpose(x), {Range{}, i}));
  add("ranges and positions", index(cube, {Range{{}, {}, -1}, k, Range{1, {}, 2}}));
  add("positions around a range", index(cube, {k, Range{1, 3}, k}));
  if (!is_bool(t)) {
    add("add to rows", index_add({x.shape()[0], x.shape()[1]}, {i}, g));
    add("add to elements", index_add({x.shape()[0], x.shape()[1]}, {i, j}, h));
    add("add to a vector", index_add({Dim(9)}, {i}, h * h));
  }
  s.calls = {{{4, 5}, {9}, {9}, {2, 3}, {4}, {3, 4, 5}, {9, 5}, {9}},
             {{3, 3}, {1}, {1}, {2, 3}, {3}, {3, 4, 5}, {1, 3}, {1}},
             {{30, 3}, {0}, {0}, {2, 3}, {30}, {3, 4, 5}, {0, 3}, {0}}};
  s.ranges = {{"i", {-3, 3}}, {"j", {-3, 3}}, {"k", {-3, 3}}, {"y", {0, 3}}};
  return s;
}

Subject leaves(DType t) {
  const Expr x = tensor(t, {dim(), dim()}, "x");
  Rng rng(5);
  const Expr baked = constant(moderate(t, {3, 2}, rng)), one = constant(moderate(t, {}, rng));
  Subject s{{x}, {}, {{{4, 5}}, {{0, 1}}}};
  s.cases = {{"the input", x},
             {"an array", baked},
             {"an array, moved", transpose(baked)},
             {"a constant", one},
             {"a constant, repeated", broadcast_to(one, x.shape())},
             {"a size", x.dim(1)},
             {"positions", arange(x.dim(0))},
             {"a range", arange(7, -3, -2)},
             {"shared", kroton::shared(moderate(t, {2, 2}, rng), "w")},
             {"one-hot", one_hot(arange(x.dim(1)) - 1, 4, t)}};
  return s;
}

void check(const Subject& s, Mode mode, DType t) {
  std::vector<Expr> outputs;
  for (const Case& c : s.cases) outputs.push_back(c.expr);
  const Function f = function(s.inputs, outputs, {.mode = mode});
  for (std::size_t call = 0; call < s.calls.size(); ++call) {
    Rng rng(call + 17);
    std::vector<Array> arguments;
    for (std::size_t i = 0; i < s.inputs.size(); ++i) {
      Array a = moderate(s.inputs[i].dtype(), s.calls[call][i], rng);
      if (const auto range = s.ranges.find(s.inputs[i].name()); range != s.ranges.end()) {
        Array at = Array::empty(DType::i64, s.calls[call][i]);
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
    const Subject s = build(t);
    check(s, Mode::fast, t);
    if (is_representative(t)) check(s, Mode::plain, t);
  }
}

std::vector<DType> numbers() {
  std::vector<DType> all;
  for (DType t : all_dtypes)
    if (!is_bool(t)) all.push_back(t);
  return all;
}

} // namespace

TEST_CASE("every op is elementwise or has a test of its own here", "[conformance]") {
  const std::vector<const Op*> covered{
      &ops::input,   &ops::shared,        &ops::constant,  &ops::array,        &ops::size,
      &ops::iota,    &ops::reshape,       &ops::transpose, &ops::broadcast_to, &ops::slice,
      &ops::unslice, &ops::stop_gradient, &ops::copy,      &ops::matmul,       &ops::gemm,
      &ops::gather,  &ops::index_add,     &ops::uniform};
  for (const Op* op : ops::all()) {
    INFO(op->name);
    CHECK((op->has(ir::Trait::elementwise) || op->has(ir::Trait::reduction) ||
           std::ranges::find(covered, op) != covered.end()));
  }
}

TEST_CASE("every reduction over every set of axes, in every dtype, equals the evaluator",
          "[conformance][anywhere]") {
  for (const Op* op : ops::all()) {
    if (!op->has(ir::Trait::reduction)) continue;
    std::vector<DType> dtypes;
    for (DType t : all_dtypes)
      if (takes(*op, t)) dtypes.push_back(t);
    check([op](DType t) { return reductions(*op, t); }, dtypes);
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
      const auto got = f({a}), want = reference({x}, {a}, outputs);
      for (std::size_t i = 0; i < want.size(); ++i) {
        INFO(to_string(t) << ", output " << i << ", seed " << seed);
        CHECK(difference(got[i], want[i], {.checks_zero_sign = false}) == "");
      }
    }
  }
}

TEST_CASE("movement, in every dtype, equals the evaluator", "[conformance][anywhere]") {
  check(movement, all_dtypes);
}

TEST_CASE("products, in every number dtype, equal the evaluator", "[conformance][anywhere]") {
  check(products, numbers());
}

TEST_CASE("indexing, in every dtype, equals the evaluator", "[conformance][anywhere]") {
  check(indexing, all_dtypes);
}

TEST_CASE("leaves, in every dtype, equal the evaluator", "[conformance][anywhere]") {
  check(leaves, all_dtypes);
}

TEST_CASE("random numbers equal the evaluator bit for bit, whatever the thread count",
          "[conformance][anywhere]") {
  for (DType t : {DType::f32, DType::f64})
    for (int threads : {1, 2, 4}) {
      Random rng(42);
      const Expr x = matrix<float>("x"), b = vector<float>("b");
      const std::vector<Expr> outputs{rng.uniform({100, 7}, t),
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
