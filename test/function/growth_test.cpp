/// Functions of many outputs, chains and updates: how many kernels they have, and how few of them
/// differ.
#include <kroton/core.hpp>
#include <kroton/ops/transcendental.hpp>

#include <cmath>
#include <cstdio>
#include <functional>

#include "test/support/catch.hpp"
#include "test/support/child.hpp"

namespace kt = kroton;
using kt::Array;
using kt::Expr;
using kt::test::contains;
using kt::test::run_child;
using kt::test::TempDir;

namespace {

const Expr x = kt::vector<float>("x");

/// `many` outputs, the i-th being `make(i)`.
std::vector<Expr> outputs(int many, const std::function<Expr(int)>& make) {
  std::vector<Expr> all;
  for (int i = 0; i < many; ++i) all.push_back(make(i));
  return all;
}

float factor(int i) { return 2.75F + static_cast<float>(i); }

/// 0, 0.25, 0.5, …
Array quarters(std::int64_t n) {
  Array a = Array::empty<float>({n});
  for (std::int64_t i = 0; i < n; ++i) a.data<float>()[i] = 0.25F * static_cast<float>(i);
  return a;
}

/// Compiled kernels of a function that computes `outputs` as the reference does, which is checked.
int kernels(const std::vector<Expr>& inputs, const std::vector<Expr>& outputs,
            const std::vector<Array>& arguments) {
  const kt::Options options{.specialize = kt::Specialize::off};
  kt::Options verified = options;
  verified.mode = kt::Mode::verify;
  const kt::Function f = kt::function(inputs, outputs, options),
                     checked = kt::function(inputs, outputs, verified);
  const auto out = f(arguments), expected = checked(arguments);
  for (std::size_t i = 0; i < out.size(); ++i) CHECK(kt::equal(out[i], expected[i]));
  return f.stats().kernels;
}

} // namespace

TEST_CASE("300 outputs of one input are two texts, and right", "[function][growth]") {
  const kt::Function f =
      kt::function({x}, outputs(300, [](int i) { return x * factor(i) + 0.25F * factor(i); }),
                   {.specialize = kt::Specialize::off});
  CHECK(f.stats().kernels == 2); // of 16 outputs each, and of the rest
  CHECK(f.stats().compiled == 2);
  const Array xs = quarters(1001);
  const auto out = f({xs});
  for (int i = 0; i < 300; ++i)
    for (std::int64_t at : {0, 1, 500, 1000}) {
      const float v = xs.data<float>()[at];
      CHECK(out[static_cast<std::size_t>(i)].data<float>()[at] ==
            std::fma(v, factor(i), 0.25F * factor(i)));
    }
}

TEST_CASE("alike outputs share texts in every dtype", "[function][growth]") {
  const auto run = [&]<class T>(T) {
    CAPTURE(kt::to_string(kt::dtype_of<T>));
    const Expr v = kt::vector<T>("v");
    Array vs = Array::empty<T>({67});
    for (int i = 0; i < 67; ++i) vs.data<T>()[i] = static_cast<T>(i);
    const auto many = outputs(40, [&](int i) {
      const T c = static_cast<T>(3 + i);
      return kt::where(v > c, v * c, v + c);
    });
    CHECK(kernels({v}, many, {vs}) == 1); // of five outputs each, which read v three times
  };
  run(float{});
  run(double{});
  run(std::int8_t{});
  run(std::int16_t{});
  run(std::int32_t{});
  run(std::int64_t{});
  run(std::uint8_t{});
  run(std::uint16_t{});
  run(std::uint32_t{});
  run(std::uint64_t{});
}

TEST_CASE("outputs of one input that are computed in different ways share by their ways",
          "[function][growth]") {
  const auto many = outputs(100, [](int i) {
    const Expr e = x * factor(i);
    switch (i % 5) {
    case 0:
      return kt::exp(-e);
    case 1:
      return kt::tanh(e);
    case 2:
      return kt::log1p(e);
    case 3:
      return kt::sqrt(e);
    default:
      return kt::max(e);
    }
  });
  CHECK(kernels({x}, many, {quarters(37)}) <= 10); // of one way each, and at their borders
}

TEST_CASE("outputs of many inputs share one text", "[function][growth]") {
  std::vector<Expr> inputs;
  std::vector<Array> arguments;
  for (int i = 0; i < 60; ++i) {
    inputs.push_back(kt::vector<float>("x"));
    arguments.push_back(quarters(20 + i));
  }
  CHECK(kernels(inputs,
                outputs(60,
                        [&](int i) {
                          return kt::tanh(inputs[static_cast<std::size_t>(i)] * factor(i));
                        }),
                arguments) == 1);
}

TEST_CASE("many reductions of one input are a few texts", "[function][growth]") {
  const Expr m = kt::matrix<float>("m");
  const Array ms = quarters(60).reshape({5, 12});
  const auto of = [&](const std::function<Expr(const Expr&, int)>& reduce) {
    return kernels({m}, outputs(50, [&](int i) { return reduce(kt::sigmoid(m * factor(i)), i); }),
                   {ms});
  };
  CHECK(of([](const Expr& e, int) { return kt::sum(e); }) <= 2);
  CHECK(of([](const Expr& e, int) { return kt::max(e, {0}); }) <= 2);
  CHECK(of([](const Expr& e, int) { return kt::sum(e, {1}); }) <= 2);
  CHECK(of([](const Expr& e, int i) { return kt::sum(e, {i % 2}); }) <= 4);
  CHECK(of([](const Expr& e, int i) { return kt::tanh(kt::sum(e) / factor(3 * i)); }) <= 2);
  CHECK(of([](const Expr& e, int i) { return kt::sum(e, {0}) / factor(3 * i); }) <= 2);
}

TEST_CASE("layers that differ in constants share one text", "[function][growth]") {
  const Expr m = kt::matrix<float>("m"), w = kt::matrix<float>("w");
  const auto layers = [&](bool differ) {
    Expr h = m;
    for (int i = 0; i < 30; ++i) h = kt::tanh(kt::dot(h, w) * factor(differ ? i : 0));
    return kernels({m, w}, {h}, {quarters(16).reshape({4, 4}), quarters(16).reshape({4, 4})});
  };
  CHECK(layers(true) == layers(false));
}

TEST_CASE("chains of softmaxes are cut at the same place of each", "[function][growth]") {
  const Expr m = kt::matrix<float>("m");
  const auto chain = [&](int many) {
    Expr e = m;
    for (int i = 0; i < many; ++i) e = kt::softmax(e * factor(i));
    return kernels({m}, {e}, {quarters(24).reshape({4, 6})});
  };
  // The first two, those between and the last.
  const int texts = chain(60);
  CHECK(texts <= 4);
  CHECK(chain(90) <= texts);
}

TEST_CASE("an optimizer has as many texts for 60 variables as for 40", "[function][growth]") {
  const auto run = [](int many) {
    kt::Options options{.specialize = kt::Specialize::off};
    std::vector<kt::Shared> variables;
    for (int i = 0; i < many; ++i) {
      const std::int64_t rows = 3 + i % 3;
      const auto p = kt::shared(Array::full<float>({rows, 4}, 0.5F)),
                 v = kt::shared(Array::full<float>({rows, 4}, 0.25F));
      const Expr g = kt::tanh(p * factor(i));
      const Expr square = 0.75F * v + 0.25F * g * g;
      options.updates.push_back({v, square});
      options.updates.push_back({p, p - 0.125F / factor(i) * g / kt::sqrt(square)});
      variables.push_back(p);
    }
    const kt::Function f = kt::function({}, std::vector<Expr>{}, options);
    (void)f(std::vector<Array>{});
    for (int i = 0; i < many; ++i) {
      const float g = std::tanh(0.5F * factor(i)),
                  expected =
                      0.5F - 0.125F / factor(i) * g / std::sqrt(0.75F * 0.25F + 0.25F * g * g);
      CHECK(variables[static_cast<std::size_t>(i)].get().data<float>()[3] == Approx(expected));
    }
    return f.stats().kernels;
  };
  CHECK(run(60) == run(40));
  CHECK(run(6) == 1); // few enough to be one sequence
}

TEST_CASE("steps that read one place of an array after the other share one text",
          "[function][growth]") {
  const Expr sequence = kt::tensor<float>({4, 40}, "sequence"), w = kt::tensor<float>({4, 4}, "w");
  const auto steps = [&](int many) {
    Expr h = w;
    for (int t = 0; t < many; ++t)
      h = kt::tanh(kt::dot(h, w) + kt::expand_dims(kt::index(sequence, {kt::Range{}, t}), {1}));
    return kernels({sequence, w}, {h},
                   {quarters(160).reshape({4, 40}), quarters(16).reshape({4, 4})});
  };
  CHECK(steps(40) == steps(8)); // the places 0, 1 and 2 stay in the text
}

TEST_CASE("child: many outputs", "[.growth-child]") {
  kt::test::use_given_cache();
  const Expr d = kt::vector<double>("d");
  std::vector<Expr> all = outputs(100, [](int i) { return kt::tanh(x) * factor(i); });
  for (int i = 0; i < 100; ++i) all.push_back(d * (-0.3 - i));
  const kt::Function f = kt::function({x, d}, all, {.specialize = kt::Specialize::off});
  std::printf("<<plan %s compiled %d>>\n", f.stats().plan_origin.c_str(), f.stats().compiled);
  const auto out = f({quarters(8), Array::full<double>({3}, 0.7)});
  for (std::size_t i = 0; i < 100; ++i) {
    CHECK(out[i].data<float>()[4] / std::tanh(1.0F) == Approx(factor(static_cast<int>(i))));
    CHECK(out[100 + i].data<double>()[2] == 0.7 * (-0.3 - static_cast<double>(i)));
  }
}

TEST_CASE("a function of many outputs is found in the cache, constants and all",
          "[function][cache][growth]") {
  const TempDir dir;
  const kt::test::Environment with_cache{{"KROTON_TEST_CACHE_DIR", dir.path().string()}};
  const auto cold = run_child("[.growth-child]", with_cache),
             warm = run_child("[.growth-child]", with_cache);
  CAPTURE(cold.output, warm.output);
  CHECK(cold.status == 0);
  CHECK(warm.status == 0);
  CHECK_THAT(cold.output, contains("<<plan made compiled 3>>"));
  CHECK_THAT(warm.output, contains("<<plan disk compiled 0>>"));
}
