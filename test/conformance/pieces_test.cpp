/// Chains that are walked in pieces, against the same program with a kernel for each node.
#include <kroton/core.hpp>

#include "test/conformance/close.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {
namespace {

struct Program {
  std::vector<Expr> inputs, outputs;
  std::vector<Array> arguments;
};

Array numbers(DType t, const Shape& shape, std::uint64_t seed) {
  Rng rng(seed);
  Array a = Array::empty(DType::f64, shape);
  for (std::int64_t i = 0; i < a.numel(); ++i)
    a.data<double>()[i] = is_float(t) ? 0.2 + 0.7 * static_cast<double>(rng.below(1000)) / 1000
                                      : static_cast<double>(rng.below(100)) - 50;
  return a.astype(t);
}

/// x, seen by so many operations of many kinds, and some of what comes on the way.
Program chain(DType t, const std::vector<Dim>& shape, const Shape& sizes) {
  const Expr a = tensor(t, shape, "a"), b = tensor(t, {shape.back()}, "b"), s = tensor(t, {}, "s");
  Program p{.inputs = {a, b, s},
            .arguments = {numbers(t, sizes, 1), numbers(t, {sizes.back()}, 2), numbers(t, {}, 3)}};
  Expr x = a, n = cast(a * 20, DType::i32);
  for (int i = 0; i < 30; ++i) {
    x = is_float(t) ? tanh(x * b + s) + cast(arange(b.dim(0)), t) * 0.001f
                    : maximum(x * 3 - b, b) + s;
    n = where(n > 1000, n - 777, n * 3 + i);
    x = where((x > 0) == (b > 0), x, x - cast(n > 0, t));
    if (i % 10 == 4) p.outputs.push_back(x);
  }
  p.outputs.insert(p.outputs.end(), {x, n, x > s, sum(n), max(x), sum(x, {-1})});
  if (shape.size() > 1) p.outputs.push_back(max(x, {0}));
  if (shape.size() > 2) p.outputs.insert(p.outputs.end(), {sum(x, {1}), sum(x, {0, 2})});
  return p;
}

/// A sum of a chain with its gradients.
Program gradients(DType t, const std::vector<Dim>& shape, const Shape& sizes) {
  const Expr a = tensor(t, shape, "a"), b = tensor(t, {shape.back()}, "b");
  Expr x = a;
  for (int i = 0; i < 40; ++i) x = sqrt(x * x + b) * 0.9f;
  const Expr l = sum(x * x);
  return {.inputs = {a, b},
          .outputs = {l, grad(l, a), grad(l, b)},
          .arguments = {numbers(t, sizes, 1), numbers(t, {sizes.back()}, 2)}};
}

void check(const Program& p, DType t) {
  const std::vector<Array> wanted =
      function(p.inputs, p.outputs, {.mode = Mode::plain, .threads = 1})(p.arguments);
  for (int threads : {1, 2}) {
    const Function f = function(p.inputs, p.outputs, {.threads = threads});
    const std::vector<Array> got = f(p.arguments);
    for (std::size_t i = 0; i < got.size(); ++i) {
      INFO("output " << i << ", " << threads << " threads");
      CHECK(far_apart(got[i], wanted[i], wanted[i], t == DType::f64 ? 1e-10 : 1e-4) == "");
    }
  }
}

} // namespace

TEST_CASE("a chain in pieces gives what its nodes give one by one", "[conformance]") {
  const DType t = GENERATE(DType::f32, DType::f64, DType::i32, DType::i64);
  const bool is_known = GENERATE(false, true);
  const Shape sizes =
      GENERATE(Shape{1}, Shape{65}, Shape{3001}, Shape{5, 37}, Shape{40, 3}, Shape{3, 4, 37});
  CAPTURE(t, is_known, sizes);
  std::vector<Dim> shape(sizes.begin(), sizes.end());
  if (!is_known)
    for (Dim& d : shape) d = dim();
  check(chain(t, shape, sizes), t);
  if (is_float(t)) check(gradients(t, shape, sizes), t);
}

TEST_CASE("variables are updated in place by chains in pieces", "[conformance][anywhere]") {
  const std::int64_t n = GENERATE(7, 3000);
  const Array first = numbers(DType::f64, {n}, 4), g = numbers(DType::f64, {n}, 5);
  std::vector<Array> of_mode[2];
  for (const Mode mode : {Mode::plain, Mode::fast}) {
    const Shared w = shared(first.copy(), "w"), v = shared(first.copy(), "v");
    const Expr input = vector<double>("g");
    Expr x = w, y = v;
    for (int i = 0; i < 50; ++i) {
      const Expr next = x * 0.9 + y * 0.1 * input;
      y = y - Expr(w) * 0.01 + next * 0.02;
      x = next;
    }
    const Function f = function(std::vector<Expr>{input}, std::vector<Expr>{},
                                {.updates = {{w, x + Expr(v) * 0.5}, {v, y}}, .mode = mode});
    for (int k = 0; k < 3; ++k) f({g});
    of_mode[mode == Mode::fast] = {w.get().copy(), v.get().copy()};
  }
  for (std::size_t i = 0; i < 2; ++i)
    CHECK(far_apart(of_mode[1][i], of_mode[0][i], of_mode[0][i], 1e-12) == "");
}

TEST_CASE("known and unknown sizes give the same bits where chains are cut", "[conformance]") {
  const std::int64_t n = 777;
  const Array a = numbers(DType::f32, {n}, 1), b = numbers(DType::f32, {n}, 2);
  std::vector<Array> results[2];
  for (const bool is_known : {false, true}) {
    const Dim size = is_known ? Dim(n) : dim();
    const Expr x = tensor(DType::f32, {size}, "x"), w = tensor(DType::f32, {size}, "w");
    Expr e = x;
    for (int i = 0; i < 60; ++i) e = w * e * (1.3f - e) + x * 0.1f;
    results[is_known] = function({x, w}, {e, sum(e)}, {.specialize = Specialize::off})({a, b});
  }
  for (std::size_t i = 0; i < 2; ++i) CHECK(difference(results[1][i], results[0][i]) == "");
}

} // namespace kroton::test
