/// Small steps of known sizes, which run as one function: the same bits, errors and updates as
/// steps that are called one by one.
#include <kroton/core.hpp>
#include <kroton/ops/activation.hpp>
#include <kroton/ops/indexing.hpp>
#include <kroton/random.hpp>

#include <cmath>
#include <cstring>
#include <functional>

#include "test/function/allocations.hpp"
#include "test/support/catch.hpp"

namespace kt = kroton;
using kt::Array;
using kt::Dim;
using kt::DType;
using kt::Expr;
using kt::Mode;
using kt::test::allocations_of;
using kt::test::contains;

namespace {

Array waves(DType dtype, const kt::Shape& shape, double phase) {
  Array a = Array::empty(DType::f64, shape);
  for (std::int64_t i = 0; i < a.numel(); ++i)
    a.data<double>()[i] = 0.1 + 0.5 * std::sin(phase + 0.9 * static_cast<double>(i));
  return a.astype(dtype);
}

bool are_same_bits(const std::vector<Array>& a, const std::vector<Array>& b) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < a.size(); ++i)
    same = a[i].dtype() == b[i].dtype() && a[i].shape() == b[i].shape() &&
           std::memcmp(a[i].raw(), b[i].raw(), a[i].nbytes()) == 0;
  return same;
}

struct Program {
  const char* name;
  int kernels; ///< sequences
  std::vector<kt::Shape> shapes;
  std::function<std::vector<Expr>(const std::vector<Expr>&)> of;
};

const Program programs[] = {
    {"a log density with its gradient",
     1,
     {{10}, {10}},
     [](const std::vector<Expr>& x) {
       const Expr q = x[0], d = q - kt::mean(q);
       const Expr lp = -kt::sum(kt::softplus(q) - x[1] * q) - 0.5F * kt::log(1.F + kt::sum(d * d)) -
                       0.5F * kt::sum(q * q);
       return std::vector<Expr>{lp, kt::grad(lp, q)};
     }},
    {"a step of a perceptron",
     2,
     {{1, 16}, {16, 16}, {16}, {16, 4}, {4}},
     [](const std::vector<Expr>& x) {
       const Expr o = kt::dot(kt::tanh(kt::dot(x[0], x[1]) + x[2]), x[3]) + x[4];
       const Expr loss = kt::sum(o * o);
       const std::vector<Expr> g = kt::grad(loss, std::vector<Expr>(x.begin() + 1, x.end()));
       return std::vector<Expr>{loss, x[1] - 0.01F * g[0], x[2] - 0.01F * g[1], x[3] - 0.01F * g[2],
                                x[4] - 0.01F * g[3]};
     }},
    {"a prediction and an update of a Kalman filter",
     1,
     {{3, 3}, {3, 3}, {3, 3}, {3}, {3}, {}},
     [](const std::vector<Expr>& x) {
       const Expr at = kt::dot(x[1], x[3]),
                  p = kt::dot(kt::dot(x[1], x[0]), kt::transpose(x[1])) + x[2];
       const Expr ph = kt::dot(p, x[4]), gain = ph / (kt::dot(x[4], ph) + 0.1F);
       return std::vector<Expr>{at + gain * (x[5] - kt::dot(x[4], at)),
                                p - kt::reshape(gain, {3, 1}) * kt::reshape(ph, {1, 3})};
     }},
    {"products of small matrices in all layouts",
     1,
     {{2, 3}, {3, 4}, {4, 2}},
     [](const std::vector<Expr>& x) {
       const Expr p = kt::dot(x[0], x[1]);
       return std::vector<Expr>{kt::dot(kt::transpose(x[0]), kt::transpose(x[2])),
                                kt::dot(p, x[2]) + 2.F * kt::dot(x[2], p)[0][0],
                                kt::dot(kt::transpose(p), x[0])};
     }},
    {"sums over rows that are used in each row",
     1,
     {{7, 5}},
     [](const std::vector<Expr>& x) {
       const Expr centred = x[0] - kt::mean(x[0], {0}),
                  scaled = centred / kt::sqrt(kt::mean(centred * centred, {0}) + 0.5F);
       return std::vector<Expr>{scaled, kt::sum(scaled, {1}), kt::argmax(scaled, 0),
                                kt::max(scaled)};
     }},
    {"long chains of ops, which are walked in pieces",
     1,
     {{6}, {6}},
     [](const std::vector<Expr>& x) {
       Expr a = x[0] - kt::mean(x[0]), b = x[1];
       for (int i = 0; i < 40; ++i) {
         a = kt::tanh(a * b + x[1]);
         b = kt::sqrt(a * a + b * b);
       }
       return std::vector<Expr>{a, b, kt::sum(a * b), a / kt::sum(kt::exp(b))};
     }},
};

/// How often a result that is looked at as text has these words.
int count(const std::string& text, std::string_view words) {
  int n = 0;
  for (std::size_t at = text.find(words); at != text.npos; at = text.find(words, at + 1)) ++n;
  return n;
}

} // namespace

TEST_CASE("small steps of known sizes are one kernel, with the bits of steps apart",
          "[function][sequence]") {
  for (const Program& program : programs)
    for (const DType dtype : {DType::f32, DType::f64})
      for (const char* target : {"", "x86-64-v3", "x86-64-v2"}) {
        CAPTURE(program.name, dtype, target);
        std::vector<Expr> inputs;
        std::vector<Array> arguments;
        for (const kt::Shape& shape : program.shapes) {
          const auto n = static_cast<double>(inputs.size());
          inputs.push_back(kt::tensor(dtype, std::vector<Dim>(shape.begin(), shape.end())));
          arguments.push_back(waves(dtype, shape, n));
        }
        const std::vector<Expr> outputs = program.of(inputs);
        const kt::Function together = kt::function(inputs, outputs, {.target = target});
        // Every step is compared with the reference, and run by its own kernel.
        const kt::Function apart =
            kt::function(inputs, outputs, {.mode = Mode::verify, .target = target});
        CHECK(together.stats().kernels == program.kernels);
        CHECK(apart.stats().kernels > program.kernels);
        CHECK(together.stats().deferred == 0);
        CHECK(are_same_bits(together(arguments), apart(arguments)));
      }
}

TEST_CASE("a function of small steps tells of each", "[function][sequence]") {
  const Expr q = kt::tensor<float>({10}, "q"), d = q - kt::mean(q);
  const kt::Function f = kt::function({q}, {kt::sum(d * d), d / kt::sum(kt::exp(d))});
  const std::string source = f.source(), told = f.explain();
  CHECK_THAT(told, contains("in one function"));
  CHECK(count(told, "  0: kernel") == 1); // the steps are still listed one by one
  CHECK_THAT(source, contains("namespace part0"));
  CHECK_THAT(source, contains("// step 1"));
  CHECK_THAT(source, contains("sequence_test.cpp")); // where lines come from
  const std::vector<Array> in{waves(DType::f32, {10}, 1)}, before = f(in);
  CHECK_THAT(f.explain(in), contains("step")); // measured one by one
  CHECK(f.stats().kernels == 1);
  CHECK(are_same_bits(f(in), before));
}

TEST_CASE("a sequence that came from the cache gives the same bits", "[function][sequence]") {
  const auto make = [] {
    const Expr q = kt::tensor<double>({11}, "q"), d = q - kt::mean(q);
    return kt::function({q}, {kt::sum(d * d), d / kt::sum(kt::exp(d))});
  };
  const std::vector<Array> in{waves(DType::f64, {11}, 1)};
  const std::vector<Array> first = make()(in);
  const kt::Function again = make();
  CHECK(again.stats().compiled == 0);
  CHECK(are_same_bits(again(in), first));
  CHECK_THAT(again.source(), contains("// step 1")); // derived again
}

TEST_CASE("a position out of range in a small function changes nothing", "[function][sequence]") {
  const Expr x = kt::tensor<float>({6}, "x"), i = kt::tensor<std::int32_t>({3}, "i");
  const kt::Shared w = kt::shared(Array::full<float>({3}, 2.F), "w");
  const Expr centred = x - kt::mean(x), read = kt::index(centred, {i});
  const kt::Function f =
      kt::function({x, i}, kt::sum(read), {.updates = {{w, w * 0.5F + read - kt::mean(read)}}});
  const std::vector<Array> good{waves(DType::f32, {6}, 1), Array::from({0, 5, -6})},
      bad{good[0], Array::from({0, 6, 1})};
  f(good);
  const Array before = w.get().copy();
  CHECK_THROWS_AS(f(bad), kt::IndexError);
  CHECK(std::memcmp(w.get().raw(), before.raw(), before.nbytes()) == 0);
  try {
    f(bad);
  } catch (const kt::IndexError& e) {
    CHECK_THAT(e.what(), contains("6"));
    CHECK_THAT(e.what(), contains("sequence_test.cpp"));
  }
  f(good);
  CHECK(std::memcmp(w.get().raw(), before.raw(), before.nbytes()) != 0);
}

TEST_CASE("random numbers are drawn anew by each call of a small function",
          "[function][sequence]") {
  const auto run = [](Mode mode) {
    kt::Random random(7);
    const Expr x = kt::tensor<float>({10}, "x");
    const Expr u = random.uniform({10}), v = random.uniform({10});
    const kt::Function f =
        kt::function({x}, {kt::sum(u) + x, (x - kt::mean(x)) * v}, {.mode = mode});
    const std::vector<Array> in{waves(DType::f32, {10}, 2)};
    std::vector<Array> all = f(in);
    for (const Array& a : f(in)) all.push_back(a);
    return all;
  };
  const std::vector<Array> together = run(Mode::fast);
  CHECK(are_same_bits(together, run(Mode::verify)));
  CHECK_FALSE(are_same_bits({together[0]}, {together[2]}));
}

TEST_CASE("what is not small, or has unknown sizes, has a kernel for each of its steps",
          "[function][sequence]") {
  const auto kernels = [](const Dim& n) {
    const Expr q = kt::tensor<float>({n}, "q"), d = q - kt::mean(q);
    return kt::function({q}, {kt::sum(d * d), d / kt::sum(kt::exp(d))},
                        {.specialize = kt::Specialize::off})
        .stats()
        .kernels;
  };
  CHECK(kernels(Dim(50)) == 1);
  CHECK(kernels(Dim(1'000'000)) > 1);
  CHECK(kernels(kt::dim("n")) > 1);
}

TEST_CASE("a plan of many steps has as many texts as one of few", "[function][sequence]") {
  const auto texts = [](int steps) {
    Expr h = kt::tensor<float>({4, 4}, "h");
    const Expr x = h, w = kt::tensor<float>({4, 4}, "w");
    for (int i = 0; i < steps; ++i) h = kt::tanh(kt::dot(h, w));
    return kt::function({x, w}, h).stats().kernels;
  };
  CHECK(texts(200) == texts(40));
  CHECK(texts(4) == 1);
}

TEST_CASE("a small function allocates nothing in a call", "[function][sequence][allocations]") {
  const Expr q = kt::tensor<double>({10}, "q"), A = kt::tensor<double>({10, 10}, "A");
  const Expr lp = -0.5 * kt::sum(q * kt::dot(A, q)) + kt::sum(kt::log(kt::sigmoid(q)));
  const kt::Function f = kt::function({q, A}, {lp, kt::grad(lp, q)});
  REQUIRE(f.stats().kernels == 1);
  const std::vector<Array> in{waves(DType::f64, {10}, 1), waves(DType::f64, {10, 10}, 2)},
      out = f(in);
  CHECK(allocations_of([&] { f.call_into(in, out); }) == 0);
}
