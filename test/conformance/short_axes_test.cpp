/// Axes of two to four elements, which kernels have no loops for: wherever they stand among others,
/// results are right, and one kernel makes them.
#include <cmath>

#include <kroton/core.hpp>

#include "test/conformance/close.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {
namespace {

Array drawn(const Shape& shape, DType t, Rng& rng) {
  Array a = Array::empty<double>(shape);
  for (std::int64_t i = 0; i < a.numel(); ++i)
    a.data<double>()[i] = static_cast<double>(rng.below(4000)) / 1000 - 2;
  return a.astype(t);
}

/// x and the axis of its components; they may stand anywhere among the others.
struct Points {
  Expr x;
  int axis;
};

Expr along(const Expr& e, int axis) { return expand_dims(e, {axis}); }

/// Programs over points: of each component, over components, over points, and both.
std::vector<Expr> programs(const Points& p) {
  const auto& [x, c] = p;
  const int other = c == 0 ? 1 : 0;
  std::vector<int> rest;
  for (int a = 0; a < x.rank(); ++a)
    if (a != c) rest.push_back(a);
  std::vector<Expr> all = {sum(x, {c}),
                           max(x, {c}),
                           x * 2 + along(sum(x, {c}), c),
                           x - along(min(x, {c}), c),
                           sum(x, {other}),
                           sum(x * along(max(x, {c}), c), {other}),
                           max(x * along(sum(x, {c}), c), rest)};
  if (is_float(x.dtype())) {
    const Expr norm = sqrt(along(sum(x * x, {c}), c) + 1);
    for (const Expr& e : {softmax(x, c), x / norm, sum(x / norm, {other}), mean(x / norm, rest),
                          x - mean(x, {c}, true), grad(sum(exp(x / norm)), x)})
      all.push_back(e);
  }
  return all;
}

void check(const std::vector<Expr>& inputs, const Expr& output, const std::vector<Array>& arguments,
           double tolerance) {
  const Array got = function(inputs, output, {.specialize = Specialize::off})(arguments)[0],
              want = function(inputs, output, {.mode = Mode::plain})(arguments)[0];
  CHECK(difference(got, want, Tolerance{tolerance, tolerance}) == "");
}

void check_programs(DType t, std::int64_t components, int rank, int axis, bool is_known) {
  Rng rng(static_cast<std::uint64_t>(components * 10 + rank + axis));
  Shape shape = {5, 37};
  if (rank == 2) shape = {37};
  shape.insert(shape.begin() + axis, components);
  std::vector<Dim> dims;
  for (const std::int64_t n : shape) dims.push_back(is_known || n == components ? Dim(n) : dim());
  const Expr x = tensor(t, dims, "x");
  const std::vector<Array> arguments = {drawn(shape, t, rng)};
  const std::vector<Expr> outputs = programs({x, axis});
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    CAPTURE(to_string(t), shape, axis, is_known, i);
    check({x}, outputs[i], arguments, t == DType::f64 ? 1e-11 : 2e-5);
  }
}

} // namespace

TEST_CASE("short axes have no loops, and results are the same", "[conformance][short]") {
  check_programs(DType::f32, 3, 3, 2, false);
  check_programs(DType::f32, 2, 3, 1, true);
  check_programs(DType::f32, 4, 2, 1, false);
  check_programs(DType::f64, 3, 2, 0, false);
  check_programs(DType::i32, 3, 3, 0, true);
}

TEST_CASE("axes of one element and of none are no short axes", "[conformance][short]") {
  for (const std::int64_t c : {0, 1}) {
    const Expr x = tensor(DType::f32, {dim(), c}, "x"), b = tensor(DType::f32, {c}, "b");
    const Function f = function({x, b}, {tanh(x + b), sum(x * b, {1}), sum(x * x)});
    const auto got = f({Array::full<float>({5, c}, 0.5f), Array::full<float>({c}, 0.25f)});
    CHECK(got[0].shape() == Shape{5, c});
    CHECK(got[1].to_vector<float>() == std::vector<float>(5, 0.125f * static_cast<float>(c)));
    CHECK(got[2].item<float>() == 1.25f * static_cast<float>(c));
  }
}

TEST_CASE("axes of two to four elements, wherever they stand", "[conformance][short][.slow]") {
  for (const DType t : {DType::f32, DType::f64, DType::i32})
    for (const std::int64_t components : {2, 3, 4})
      for (const int rank : {2, 3})
        for (int axis = 0; axis < rank; ++axis)
          for (const bool is_known : {true, false})
            check_programs(t, components, rank, axis, is_known);
}

TEST_CASE("pairwise forces are one kernel in whichever order they are written",
          "[conformance][short]") {
  constexpr std::int64_t n = 45;
  for (const DType t : {DType::f32, DType::f64})
    for (const std::int64_t c : {2, 3, 4}) {
      Rng rng(static_cast<std::uint64_t>(c));
      const Expr p = tensor(t, {dim(), c}, "p"), m = tensor(t, {p.shape()[0]}, "m");
      const std::vector<Array> arguments = {drawn({n, c}, t, rng), drawn({n}, t, rng)};
      // The axes of i, of j and of the components.
      const auto force = [&](int i, int j, int k) {
        const Expr d = expand_dims(j < k ? p : transpose(p), {i}) -
                       expand_dims(i < k ? p : transpose(p), {j}),
                   r2 = sum(d * d, {k}, true) + 0.5;
        const Expr of_j = expand_dims(m, {std::min(i, k), std::max(i, k)});
        return sum(d * (of_j / (r2 * sqrt(r2))), {j});
      };
      const Function plain = function({p, m}, force(0, 1, 2), {.mode = Mode::plain});
      const Array want = plain(arguments)[0];
      for (const auto& [i, j, k] : {std::array{0, 1, 2}, {0, 2, 1}, {1, 2, 0}}) {
        CAPTURE(to_string(t), c, i, j, k);
        const Function f = function({p, m}, force(i, j, k), {.specialize = Specialize::off});
        const Array got = f(arguments)[0];
        CHECK(difference(i < k ? got : got.transpose(), want, Tolerance{1e-4, 1e-5}) == "");
        CHECK(f.stats().kernels == 1);
      }
    }
}

} // namespace kroton::test
