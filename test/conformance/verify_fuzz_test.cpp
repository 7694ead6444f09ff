/// Mode::verify says nothing of functions that are right: rules at extreme arguments, every shape
/// of plan, random graphs and gradients. KROTON_FUZZ_SEED replays one seed, KROTON_FUZZ_COUNT says
/// how many to try.
#include <kroton/grad.hpp>
#include <kroton/ops/scatter.hpp>

#include "jit/compile/capture.hpp"
#include "jit/function/function_state.hpp"
#include "lib/rewrite/dsl.hpp"
#include "lib/rewrite/rules/rules.hpp"
#include "test/conformance/arrays.hpp"
#include "test/support/inputs.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"
#include "test/support/random_graph.hpp"

namespace kroton::test {
namespace {

Expr square(const Expr& e) { return e * e; }
Expr variance(const Expr& e) { return mean(square(e - mean(e, {1}, true)), {1}); }

constexpr Fp everything = Fp::nnan | Fp::ninf | Fp::nsz | Fp::reassoc | Fp::approx | Fp::refine;

/// What a verified call complains of.
std::string complaint(const std::vector<Expr>& inputs, const std::vector<Expr>& outputs,
                      const std::vector<Array>& arguments, Options options = {}) {
  options.mode = Mode::verify;
  try {
    function(inputs, outputs, options)(arguments);
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

Shape shape_in_call(const Expr& e, std::int64_t n) {
  Shape shape;
  for (const Dim& d : e.shape()) shape.push_back(d.is_static() ? d.value() : n);
  return shape;
}

/// From tiny to overflowing once it is squared or raised, with both signs.
Array extreme(const Expr& e, std::int64_t n, Rng& rng, bool is_finite) {
  const Shape shape = shape_in_call(e, n);
  Array wide = Array::empty(DType::f64, shape);
  static constexpr double finite[] = {0,    1e-40, 1e-30, 1e-20, 1e-8, 1e-4, 0.3,  0.5,
                                      1,    2,     3.7,   17,    30,   89,   104,  710,
                                      1000, 12000, 1e5,   1e10,  1e20, 3e38, 1e39, 1e300};
  for (std::int64_t i = 0; i < wide.numel(); ++i) {
    double& v = wide.data<double>()[i];
    if (!is_float(e.dtype())) {
      v = static_cast<double>(is_bool(e.dtype()) ? rng.below(2) : rng.below(3) - 1);
      continue;
    }
    v = finite[rng.below(std::size(finite))] * (rng.below(2) == 0 ? 1 : -1);
    if (e.dtype() == DType::f32 && std::fabs(v) > 3e38) v = std::copysign(3e38, v);
    if (!is_finite && rng.below(6) == 0) v = rng.below(3) == 0 ? NAN : std::copysign(INFINITY, v);
  }
  return wide.astype(e.dtype());
}

/// Every rule that `wanted` chooses, on its example, with arguments far from 1.
template <class F> void rules_at_extremes(F wanted, int rounds) {
  for (const rewrite::RuleSet* family : rewrite::rules::all())
    for (const rewrite::Rule& r : family->rules) {
      if (!wanted(r)) continue;
      const Expr written = example_of(r);
      const std::vector<Expr> inputs = inputs_of(written);
      const Function f =
          function(inputs, written, {.mode = Mode::verify, .fp = everything & (r.fp | Fp::refine)});
      for (int round = 0; round < rounds; ++round) {
        INFO("rule " << r.name << ", round " << round);
        Rng rng(static_cast<std::uint64_t>(round) + 17);
        std::vector<Array> arguments;
        for (const Expr& e : inputs)
          arguments.push_back(extreme(e, 3, rng, !r.except.empty() || round % 2 == 0));
        CHECK_NOTHROW(f(arguments));
      }
    }
}

std::uint64_t count_or(std::uint64_t otherwise) {
  const char* text = std::getenv("KROTON_FUZZ_COUNT");
  return text ? std::strtoull(text, nullptr, 0) : otherwise;
}

void random_graphs(std::uint64_t first, std::uint64_t count, bool has_gradients) {
  const auto replayed = replayed_seed();
  for (std::uint64_t k = 0; k < (replayed ? 1 : count); ++k) {
    const std::uint64_t seed = replayed.value_or(first + k);
    const bool is_dynamic = seed % 3 != 0;
    RandomGraph r = random_graph(seed, {.nodes = 5 + static_cast<int>(seed % 28),
                                        .dtype = seed % 2 == 0 ? DType::f64 : DType::f32,
                                        .has_unknown_dims = is_dynamic});
    if (has_gradients) {
      r.outputs = {sum(r.outputs[0])};
      for (const Expr& input : r.inputs) {
        try {
          r.outputs.push_back(grad(r.outputs[0], input));
        } catch (const Error&) {
          continue; // not connected, or an integer
        }
      }
    }
    const Function f = function(r.inputs, r.outputs, {.mode = Mode::verify});
    for (std::int64_t n :
         is_dynamic ? std::vector<std::int64_t>{3, 1, 0, 37} : std::vector<std::int64_t>{3})
      for (bool is_extreme : {false, true}) {
        INFO("KROTON_FUZZ_SEED=" << seed << " replays this, n = " << n
                                 << (is_extreme ? ", extreme" : ""));
        Rng rng(seed ^ 0x5EED);
        std::vector<Array> arguments;
        for (const Expr& e : r.inputs)
          arguments.push_back(is_extreme && is_float(e.dtype())
                                  ? extreme(e, n, rng, true)
                                  : moderate(e.dtype(), shape_in_call(e, n), rng));
        try {
          f(arguments);
        } catch (const IndexError&) {
          continue; // a position is out of range, which the call says itself
        } catch (const std::exception& e) {
          FAIL_CHECK(e.what());
        }
      }
  }
}

} // namespace

TEST_CASE("verify accepts results that are finite where the reference overflows",
          "[conformance][anywhere][verify]") {
  const Expr x = vector<float>("x");
  const Array large = Array::from({100.0f, 1000.0f, -1000.0f, 1e-20f});
  CHECK(complaint({x}, {log(exp(x))}, {large}) == "");
  CHECK(complaint({x}, {log(sum(exp(x)))}, {Array::from({1000.0f, 1000.0f})}) == "");
  CHECK(complaint({x}, {log(1 + exp(x)), log(1 + x * x), exp(x) - 1, 1 / (1 + exp(-x))}, {large}) ==
        "");
  CHECK(complaint({x}, {log(softmax(x))}, {large}) == "");
  const Expr y = vector<double>("y");
  CHECK(complaint({y}, {log(exp(y)), log(1 + exp(y)), log(1 + y)},
                  {Array::from({1e5, 1e-25, -1e5, 1e300})}) == "");
  // The reference's NaN is lost in the comparison.
  const Expr l = log(1 + exp(y)), difference = 2 * l - l;
  CHECK(complaint({y}, {where(difference > 2, difference, 2.0), -0.0 * where(l > 2, l * l, 2.0)},
                  {Array::from({1e5, 1e300, 1.0})}) == "");
}

TEST_CASE("verify accepts sums that are finite where the reference overflows",
          "[conformance][anywhere][verify]") {
  const Expr x = matrix<float>("x");
  const Expr s = sum(x, {0});
  CHECK(complaint({x}, {where(s > -1, s, -1.0f), s},
                  {Array::from({3e38f, 1.0f, 3e38f, -2e38f, -3e38f, 2e38f, -1e38f, 3e38f},
                               {4, 2})}) == "");
}

TEST_CASE("verify still sees what is wrong beside what overflows",
          "[conformance][anywhere][verify]") {
  using namespace rewrite::dsl;
  // It refines by its own account, but not at 1.
  const rewrite::RuleSet wrong{"sabotage",
                               {rewrite::rule("wrong-log-exp", log(exp(x)), 1.5 * x, Fp::refine)}};
  const Expr a = vector<float>("a");
  const Options options{.name = "suspect", .mode = Mode::verify};
  jit::FunctionState f(
      jit::make_signature({a}, {kroton::log(kroton::exp(a))}, options, Location::current()),
      options, {.rules = &wrong});
  const std::vector<Array> arguments{Array::from({1000.0f, 1.0f})};
  CHECK_THROWS_WITH(f.call(arguments, nullptr), contains("rule wrong-log-exp changes the result"));
}

TEST_CASE("verify knows every shape of plan", "[conformance][anywhere][verify]") {
  const auto n = kroton::dim("n");
  const Expr t = tensor<float>({n, 5, 7}, "t"), m = matrix<float>("m"), w = matrix<float>("w"),
             b = vector<float>("b"), i = vector<std::int64_t>("i");
  Rng rng(3);
  const Array ts = moderate(DType::f32, {6, 5, 7}, rng), ms = moderate(DType::f32, {6, 4}, rng),
              ws = moderate(DType::f32, {4, 9}, rng), bs = moderate(DType::f32, {9}, rng),
              is = Array::from({std::int64_t{3}, std::int64_t{-1}, std::int64_t{3}});
  const auto check = [&](const char* what, std::vector<Expr> outputs) {
    INFO(what);
    CHECK(complaint({t, m, w, b, i}, outputs, {ts, ms, ws, bs, is}) == "");
  };
  check("folds over one axis of three",
        {sum(t, {0}), sum(t, {1}), max(t, {1}), sum(t, {2}), argmax(t, 1), mean(t, {0, 2})});
  check("softmax over each axis", {softmax(t, 0), softmax(t, 1), softmax(t, 2)});
  const Expr h = tanh(dot(m, w) + b);
  check("products with epilogues", {h, relu(dot(m, w)), dot(m, w) * 2 + 1});
  check("a product that is needed itself", {dot(m, w), exp(dot(m, w))});
  const Expr cost = sum(h * h) + sum(softmax(dot(h, transpose(w)), 1)) + sum(t * t);
  check("several gradients", grad(cost, {m, w, b, t}));
  check("second derivatives", grad(sum(grad(cost, m) * 0.5f), {w, b}));
  check("views that are outputs", {transpose(t), reshape(t, {-1, 7}), t, slice(m, {{1, {}, 2}})});
  check("positions and scatters", {index(m, {i}), index_add(m.shape(), {i}, index(m, {i})),
                                   grad(sum(square(index(m, {i}))), m)});
  check("folds of folds", {sum(max(t, {2}), {1}), max(sum(t, {0}), {0}), variance(t)});
}

TEST_CASE("verify accepts in-place updates", "[conformance][anywhere][verify]") {
  const Expr x = matrix<float>("x");
  Rng rng(4);
  const Shared w = kroton::shared(moderate(DType::f32, {4, 3}, rng), "w"),
               v = kroton::shared(moderate(DType::f32, {4, 3}, rng), "v");
  const Expr g = grad(sum(square(tanh(dot(x, w)))), w), moved = 0.9f * v - 0.1f * g;
  const Function f = function({x}, sum(square(w)),
                              {.updates = {{v, moved}, {w, w + moved}}, .mode = Mode::verify});
  for (int k = 0; k < 3; ++k) CHECK_NOTHROW(f({moderate(DType::f32, {5, 4}, rng)}));
}

TEST_CASE("verify leaves it to the call to say that a position is out of range",
          "[conformance][anywhere][verify]") {
  const Expr x = vector<float>("x"), i = vector<std::int64_t>("i");
  const Function f = function({x, i}, sum(index(x, {i})), {.mode = Mode::verify});
  CHECK_THROWS_AS(f({Array::from({1.0f, 2.0f}), Array::from({std::int64_t{2}})}), IndexError);
}

TEST_CASE("verify accepts refining rules at extreme arguments",
          "[conformance][anywhere][verify][fuzz]") {
  rules_at_extremes([](const rewrite::Rule& r) { return grants(r.fp, Fp::refine); }, 4);
}

TEST_CASE("verify accepts all rules at extreme arguments",
          "[.slow][conformance][anywhere][verify][fuzz]") {
  rules_at_extremes([](const rewrite::Rule&) { return true; }, 12);
}

TEST_CASE("verify accepts random graphs", "[conformance][anywhere][verify][fuzz][lengthy]") {
  random_graphs(1, count_or(10), false);
  random_graphs(40, count_or(6), true);
}

TEST_CASE("verify accepts hundreds of random graphs",
          "[.slow][conformance][anywhere][verify][fuzz]") {
  random_graphs(20000, count_or(400), false);
  random_graphs(30000, count_or(200), true);
}

} // namespace kroton::test
