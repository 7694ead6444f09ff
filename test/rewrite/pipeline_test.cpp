/// What the pipeline makes of whole programs: the example of the Theano paper (figure 1) and
/// small rewrites with their near misses.
#include <algorithm>

#include <kroton/grad.hpp>
#include <kroton/shared.hpp>
#include <kroton/ops/activation.hpp>
#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/reduction.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/contraction.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/reduction.hpp"
#include "test/support/evaluate.hpp"
#include "test/support/rewrite.hpp"

namespace kroton::test {
namespace {

Expr f(const char* name) { return tensor<float>({3, 4}, name); }

/// Logistic regression: prediction, loss, and the new weights.
struct Regression {
  Expr x = matrix<float>("x"), y = vector<std::int32_t>("y");
  Shared w = shared(Array::zeros<float>({6, 4}), "w"), b = shared(Array::zeros<float>({4}), "b");
  Expr p = softmax(dot(x, w) + b);
  Expr pred = argmax(p, 1);
  Expr loss = -mean(index(log(p), {arange(y.dim(0)), y}));
  std::vector<Expr> g = grad(loss, {w, b});

  std::vector<Expr> train() const { return {pred, loss, w - 0.1f * g[0], b - 0.1f * g[1]}; }
};

Approx near(double v) { return Approx(v).epsilon(1e-5).margin(1e-5); }

int count(const ir::Graph& g, const ir::Op& op) {
  return static_cast<int>(
      std::ranges::count_if(g.order(), [&](ir::NodeId id) { return g[id].op == &op; }));
}

ir::Graph optimized(const std::vector<Expr>& outputs) {
  ir::Graph g = ir::Graph::capture(outputs);
  rewrite::run_pipeline(g);
  return g;
}

} // namespace

TEST_CASE("training logistic regression multiplies x and w once, and updates w by one gemm onto w",
          "[rewrite]") {
  const ir::Graph g = optimized(Regression{}.train());
  INFO(g.to_string());
  CHECK(count(g, ops::matmul) == 1);
  CHECK(count(g, ops::gemm) == 1);
  CHECK(count(g, ops::index_add) == 0);
  CHECK(count(g, ops::exp) == 1);
  const ir::GraphNode& update = g[g.outputs()[2]];
  REQUIRE(update.op == &ops::gemm);
  CHECK(g[update.inputs[0]].name == "w");
  CHECK(g[update.inputs[3]].op == &ops::constant);
}

TEST_CASE("a function that returns only the prediction contains no softmax", "[rewrite]") {
  const ir::Graph g = optimized({Regression{}.pred});
  INFO(g.to_string());
  CHECK(count(g, ops::exp) == 0);
  CHECK(count(g, ops::sum) == 0);
  CHECK(count(g, ops::div) == 0);
  CHECK(g[g.outputs()[0]].op == &ops::argmax);
}

TEST_CASE("loss and gradients of scores of 1e4 are finite, and agree with the unoptimised graph",
          "[rewrite]") {
  for (double scale : {1.0, 1e4}) {
    Regression r;
    const auto outputs = r.train();
    const ir::Graph plain = ir::Graph::capture(outputs), fast = optimized(outputs);
    Array x = Array::zeros<float>({3, 6}), w = Array::zeros<float>({6, 4});
    for (std::int64_t i = 0; i < 18; ++i) x.data<float>()[i] = static_cast<float>((i * 7 % 11) - 5);
    for (std::int64_t i = 0; i < 24; ++i)
      w.data<float>()[i] = static_cast<float>(scale * static_cast<double>((i * 5 % 13) - 6));
    const auto run = [&](const ir::Graph& g) {
      ir::Bindings bindings;
      bindings.size_of = Sizes{};
      for (ir::NodeId id : g.order()) {
        const std::string& name = g[id].name;
        if (name == "x") bindings.values.emplace(id, x);
        if (name == "y")
          bindings.values.emplace(id, Array::from(std::vector<std::int32_t>{0, -1, 2}, {3}));
        if (name == "w") bindings.values.emplace(id, w);
        if (name == "b") bindings.values.emplace(id, Array::zeros<float>({4}));
      }
      return ir::evaluate(g, g.outputs(), bindings);
    };
    const auto want = run(plain), got = run(fast);
    for (std::size_t k = 0; k < got.size(); ++k) {
      const Array a = want[k].astype(DType::f64).contiguous(),
                  b = got[k].astype(DType::f64).contiguous();
      for (std::int64_t i = 0; i < a.numel(); ++i) {
        CHECK(std::isfinite(b.data<double>()[i]));
        // The plain loss overflows at 1e4.
        if (std::isfinite(a.data<double>()[i]))
          CHECK(b.data<double>()[i] == near(a.data<double>()[i]));
      }
    }
  }
}

TEST_CASE("a label outside its axis still raises IndexError when only the updates are computed",
          "[rewrite]") {
  Regression r;
  const ir::Graph g = optimized({r.w - 0.1f * r.g[0]});
  INFO(g.to_string());
  CHECK(std::ranges::any_of(g.order(),
                            [&](ir::NodeId id) { return g[id].op->has(ir::Property::fallible); }));
  ir::Bindings bindings;
  bindings.size_of = Sizes{};
  for (ir::NodeId id : g.order()) {
    if (g[id].name == "x") bindings.values.emplace(id, Array::zeros<float>({3, 6}));
    if (g[id].name == "y")
      bindings.values.emplace(id, Array::from(std::vector<std::int32_t>{0, 4, 2}, {3}));
    if (g[id].name == "w") bindings.values.emplace(id, Array::zeros<float>({6, 4}));
    if (g[id].name == "b") bindings.values.emplace(id, Array::zeros<float>({4}));
  }
  CHECK_THROWS_AS(ir::evaluate(g, g.outputs(), bindings), IndexError);
}

TEST_CASE("1 * x - 0 is x; x + 0 is not where x is -0", "[rewrite]") {
  CHECK_REWRITE(1 * f("x") - 0, f("x"));
  CHECK_UNCHANGED(f("x") + 0);
  CHECK_UNCHANGED(f("x") + 0.0f);
}

TEST_CASE("the sign is taken off before abs where there is one", "[rewrite]") {
  const Expr f = tensor<float>({3}, "f"), i = tensor<std::int8_t>({3}, "i"),
             u = tensor<std::uint8_t>({3}, "u");
  CHECK_REWRITE(abs(-f), abs(f));
  CHECK_REWRITE(abs(-i), abs(i));
  // It used to make 8 of u8 8, whose negative is 248.
  CHECK_UNCHANGED(abs(-u));
}

TEST_CASE("stabilize turns log(1 + exp(x)) into softplus", "[rewrite]") {
  const Expr v = f("x");
  CHECK_REWRITE(log(1 + exp(v)), softplus(v));
  CHECK_REWRITE(log(1 - sigmoid(v)), 0.0 - softplus(v));
}

TEST_CASE("functions that do not decrease are taken of the extreme alone", "[rewrite]") {
  const Expr v = f("x");
  CHECK_REWRITE(max(floor(v), {1}), floor(max(v, {1})));
  CHECK_REWRITE(min(sign(v), {0}), sign(min(v, {0})));
  CHECK_UNCHANGED(max(sqrt(v), {1})); // NaN of what is below 0
  CHECK_UNCHANGED(max(abs(v), {1}));
}

TEST_CASE("positions are those of the row itself only where no two elements become one",
          "[rewrite]") {
  const Expr v = f("x");
  CHECK_REWRITE(argmax(tanh(v), 1), argmax(v, 1));
  CHECK_UNCHANGED(argmax(floor(v), 1));
  CHECK_UNCHANGED(argmin(log(v), 1));
}

TEST_CASE("log of softmax is log-softmax", "[rewrite]") {
  const Expr v = f("x");
  CHECK_REWRITE(log(softmax(v)), log_softmax(v));
}

TEST_CASE("an unguarded log-sum-exp is shifted, a guarded one is not shifted again", "[rewrite]") {
  const Expr v = f("x");
  CHECK(count(optimized({log(sum(exp(v), {1}))}), ops::max) == 1);
  CHECK(count(optimized({log(sum(exp(v), {1}, true))}), ops::max) == 1);
  CHECK(count(optimized({logsumexp(v, {1})}), ops::max) == 1);
}

TEST_CASE("an operand that gives the shape stays broadcast", "[rewrite]") {
  const Expr one = tensor<float>({1, 4}, "a");
  CHECK_REWRITE(broadcast_to(one, {3, 4}) * 1, broadcast_to(one, {3, 4}));
  CHECK_REWRITE(one + broadcast_to(kroton::constant(-0.0f), {3, 4}), broadcast_to(one, {3, 4}));
}

TEST_CASE("a product with other users is not folded into gemm", "[rewrite]") {
  const Expr a = f("a"), b = tensor<float>({4, 5}, "b"), c = tensor<float>({3, 5}, "c");
  const Expr p = dot(a, b);
  const ir::Graph g = optimized({c + p, p});
  CHECK(count(g, ops::gemm) == 0);
  CHECK(count(optimized({c + p}), ops::gemm) == 1);
  CHECK(count(optimized({c - p / scalar<float>("s")}), ops::gemm) == 1);
}

TEST_CASE("a cast of a cast is what the two of them give, in every dtype", "[rewrite]") {
  // What is too large for an integer wraps if it comes from an integer and saturates if it comes
  // from a float: u16 by way of f64 to i16 became u16 to i16.
  const Array numbers = Array::from({std::int64_t(0), std::int64_t(1), std::int64_t(-1),
                                     std::int64_t(127), std::int64_t(200), std::int64_t(65532),
                                     std::int64_t(1) << 40, -(std::int64_t(1) << 62) - 1});
  for (int from = 0; from < dtype_count; ++from) {
    const Expr x = tensor(static_cast<DType>(from), {numbers.shape()[0]}, "x");
    std::vector<Expr> outputs;
    for (int between = 0; between < dtype_count; ++between)
      for (int to = 0; to < dtype_count; ++to)
        outputs.push_back(cast(cast(x, static_cast<DType>(between)), static_cast<DType>(to)));
    const auto values = [&](const ir::Graph& g) {
      Inputs inputs;
      inputs.by_leaf.emplace(x.node()->params.leaf(), numbers.astype(x.dtype()));
      Rng rng(1);
      return ir::evaluate(g, g.outputs(), bind_inputs(g, inputs, rng, Values::small));
    };
    const auto want = values(ir::Graph::capture(outputs)), got = values(optimized(outputs));
    for (std::size_t i = 0; i < want.size(); ++i) {
      INFO(to_string(x.dtype()) << " by way of " << to_string(static_cast<DType>(i / dtype_count)));
      CHECK(got[i].to_string() == want[i].to_string());
    }
  }
}

} // namespace kroton::test
