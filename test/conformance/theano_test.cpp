/// What Theano's papers claim of their first example, softmax regression, on the compiled function.
#include "jit/compile/capture.hpp"
#include "jit/function/function_state.hpp"
#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

/// Figure 1 of Bastien et al., "Theano: deep learning on GPUs with Python" (2011).
struct Regression {
  Expr x = matrix<float>("x"), y = vector<std::int32_t>("y");
  Shared w, b;
  Expr p, pred, loss, gw, gb;
  std::vector<Update> updates;

  Regression(const Array& w0, const Array& b0)
      : Regression(kroton::shared(w0, "w"), kroton::shared(b0, "b")) {}
  Regression(Shared w_, Shared b_)
      : w(w_), b(b_), p(softmax(dot(x, w) + b)), pred(argmax(p, 1)),
        loss(-mean(index(log(p), {arange(y.dim(0)), y}))), gw(grad(loss, w)),
        gb(grad(loss, b)), updates{{w, w - 0.1f * gw}, {b, b - 0.1f * gb}} {}

  jit::FunctionState train(Options options = {}) const {
    options.updates = updates;
    options.name = "train";
    return jit::FunctionState(
        jit::make_signature({x, y}, {pred, loss}, options, Location::current()), options);
  }
};

Regression zeros(std::int64_t features = 20, std::int64_t classes = 4) {
  return {Array::zeros<float>({features, classes}), Array::zeros<float>({classes})};
}

/// Points around one centre a class.
struct Problem {
  Array x, y;
};
Problem clusters(std::int64_t n, std::int64_t features, std::int64_t classes) {
  Rng rng(7);
  Problem p{Array::empty<float>({n, features}), Array::empty<std::int32_t>({n})};
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t c = i % classes;
    p.y.data<std::int32_t>()[i] = static_cast<std::int32_t>(c);
    for (std::int64_t j = 0; j < features; ++j)
      p.x.data<float>()[i * features + j] =
          static_cast<float>((j % classes == c ? 1.0 : 0.0) + rng.uniform(-0.5, 0.5));
  }
  return p;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

const plan::Plan& plan_of(const jit::FunctionState& f) { return f.compiled().program->plan(); }

std::vector<const plan::ContractionStep*> contractions(const plan::Plan& plan) {
  std::vector<const plan::ContractionStep*> found;
  for (const plan::Step& s : plan.steps)
    if (const auto* c = std::get_if<plan::ContractionStep>(&s.what)) found.push_back(c);
  return found;
}

bool is_leaf(const plan::Plan& plan, int buffer, std::string_view name) {
  const plan::Buffer& b = plan.buffers[static_cast<std::size_t>(buffer)];
  return b.kind == plan::BufferKind::leaf && plan.graph[b.node].name == name;
}

} // namespace

TEST_CASE("the scores are computed once, for the prediction, the loss and the gradient",
          "[conformance][anywhere][theano]") {
  const auto f = zeros().train();
  const auto products = contractions(plan_of(f));
  REQUIRE(products.size() == 2);
  CHECK(is_leaf(plan_of(f), products[0]->a.buffer, "x"));
  CHECK(is_leaf(plan_of(f), products[0]->b.buffer, "w"));
}

TEST_CASE("the update of w is one contraction that accumulates into w's own memory",
          "[conformance][anywhere][theano]") {
  const auto f = zeros().train();
  const auto products = contractions(plan_of(f));
  REQUIRE(products.size() == 2);
  const plan::ContractionStep& last = *products[1];
  REQUIRE(last.c.has_value());
  CHECK(*last.c == last.out);
  CHECK(is_leaf(plan_of(f), last.out, "w"));
}

TEST_CASE("softmax, loss and their gradient are one kernel", "[conformance][anywhere][theano]") {
  const auto f = zeros().train();
  INFO(plan_of(f).to_string());
  std::size_t with_exp = 0;
  for (const jit::KernelText& k : f.compiled().program->texts().kernels)
    with_exp += count(*k.text, "= exp_f32(") > 0 || count(*k.text, "+= exp_f32(") > 0;
  CHECK(plan_of(f).kernels.size() == 1);
  CHECK(with_exp == 1);
}

TEST_CASE("a function of the prediction alone contains no softmax",
          "[conformance][anywhere][theano]") {
  const Regression r = zeros();
  const Function f = function({r.x}, r.pred);
  CHECK(count(f.source(), "exp_f32") == 0);
}

TEST_CASE("scores of ten thousand give a finite loss and finite weights",
          "[conformance][anywhere][theano]") {
  for (const float sign : {1.0f, -1.0f}) {
    Array w0 = Array::zeros<float>({3, 3});
    for (std::int64_t i = 0; i < 3; ++i) w0.at<float>({i, i}) = sign * 1e4f;
    const Regression r(w0, Array::zeros<float>({3}));
    const Function train = function({r.x, r.y}, {r.pred, r.loss}, {.updates = r.updates});
    const Array xs = Array::from({1.f, 0.f, 0.f, 0.f, 1.f, 0.f}, {2, 3});
    const Array ys = Array::from({1, 2});
    const auto out = train({xs, ys});
    CHECK(std::isfinite(out[1].item<float>()));
    CHECK(out[1].item<float>() ==
          Approx(sign > 0 ? 1e4f : std::log(2.f) / 2 + std::log(2.f) / 2).epsilon(1e-3));
    for (float v : r.w.get().to_vector<float>()) CHECK(std::isfinite(v));
    for (float v : r.b.get().to_vector<float>()) CHECK(std::isfinite(v));
  }
}

TEST_CASE("1 * x + 0 is a copy of x where the sign of zero does not count",
          "[conformance][anywhere][theano]") {
  const Expr x = vector<float>("x");
  const Function f = function({x}, 1 * x + 0, {.fp = Fp::refine | Fp::nsz}),
                 copy = function({x}, Expr(x)), exact = function({x}, 1 * x + 0);
  CHECK(f.source() == copy.source());
  const Array a = Array::from({1.5f, -0.0f});
  CHECK(f({a})[0].to_vector<float>() == std::vector<float>{1.5f, -0.0f});
  CHECK_FALSE(std::signbit(exact({a})[0].to_vector<float>()[1]));
}

TEST_CASE("training follows a hand-written step and learns", "[conformance][anywhere][theano]") {
  constexpr std::int64_t n = 60, features = 20, classes = 4;
  const Problem data = clusters(n, features, classes);
  const Regression r = zeros(features, classes);
  const Function train = function({r.x, r.y}, {r.pred, r.loss}, {.updates = r.updates});

  std::vector<double> w(features * classes, 0.0), b(classes, 0.0);
  double first = 0, last = 0, worst = 0;
  for (int step = 0; step < 200; ++step) {
    last = train({data.x, data.y})[1].item<float>();
    if (step == 0) first = last;

    double loss = 0;
    std::vector<double> dw(w.size(), 0.0), db(b.size(), 0.0);
    for (std::int64_t i = 0; i < n; ++i) {
      const float* x = std::as_const(data.x).data<float>() + i * features;
      const auto label = static_cast<std::size_t>(std::as_const(data.y).data<std::int32_t>()[i]);
      std::vector<double> s(b);
      for (std::size_t c = 0; c < classes; ++c)
        for (std::size_t j = 0; j < features; ++j) s[c] += x[j] * w[j * classes + c];
      const double top = *std::max_element(s.begin(), s.end());
      double sum = 0;
      for (double v : s) sum += std::exp(v - top);
      loss -= (s[label] - top - std::log(sum)) / n;
      for (std::size_t c = 0; c < classes; ++c) {
        const double g = (std::exp(s[c] - top) / sum - (c == label ? 1.0 : 0.0)) / n;
        db[c] += g;
        for (std::size_t j = 0; j < features; ++j) dw[j * classes + c] += x[j] * g;
      }
    }
    worst = std::max(worst, std::fabs(loss - last));
    for (std::size_t k = 0; k < w.size(); ++k) w[k] -= 0.1f * dw[k];
    for (std::size_t k = 0; k < b.size(); ++k) b[k] -= 0.1f * db[k];
  }
  CHECK(first == Approx(std::log(4.0)));
  CHECK(last < 0.5 * first);
  CHECK(worst < 1e-5);
  const auto got_w = r.w.get().to_vector<float>(), got_b = r.b.get().to_vector<float>();
  for (std::size_t k = 0; k < w.size(); ++k) CHECK(std::fabs(got_w[k] - w[k]) < 1e-5);
  for (std::size_t k = 0; k < b.size(); ++k) CHECK(std::fabs(got_b[k] - b[k]) < 1e-5);
}

} // namespace kroton::test
