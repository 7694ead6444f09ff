/// Gradients of random reads of one array, compiled.
#include <kroton/core.hpp>
#include <kroton/ops/indexing.hpp>

#include "test/conformance/close.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {
namespace {

constexpr std::int64_t rows = 7, columns = 9;

/// A read of some elements of x[rows, columns], which may be part of what is read at once with
/// others.
Expr some_read(const Expr& x, const Expr& positions, Rng& rng) {
  const auto range = [&](std::int64_t n) -> Range {
    switch (rng.below(5)) {
    case 0:
      return {};
    case 1:
      return {rng.below(n), std::nullopt, 1 + rng.below(3)};
    case 2:
      return {std::nullopt, std::nullopt, -1 - rng.below(3)};
    case 3:
      return {n - 1 - rng.below(n), std::nullopt, -1};
    default:
      const std::int64_t first = rng.below(n);
      return {first, first + rng.below(3)};
    }
  };
  const auto number = [&](std::int64_t n) { return rng.below(2 * n) - n; };
  switch (rng.below(8)) {
  case 0:
    return index(x, {number(rows)});
  case 1:
    return index(x, {Range{}, number(columns)});
  case 2:
    return index(x, {number(rows), number(columns)});
  case 3:
    return index(x, {positions});
  case 4:
    return index(x, {range(rows), sum(positions)});
  case 5:
    return index(transpose(x), {range(columns), number(rows)});
  case 6:
    return slice(reshape(x, {-1}), {{rng.below(rows), std::nullopt, columns}});
  default:
    return slice(x, {range(rows), range(columns)});
  }
}

void check(std::uint64_t seed, bool is_known, DType t, Mode mode) {
  Rng rng(seed);
  const Dim n = is_known ? Dim(rows) : dim("n"), m = is_known ? Dim(columns) : dim("m");
  const Expr x = tensor(t, {n, m}, "x"), w = tensor(t, {m}, "w"),
             positions = tensor(DType::i64, {3}, "positions");
  const Expr xs = rng.below(3) == 0 ? x : x * w;
  Expr cost = rng.below(2) == 0 ? sum(xs * 0.5) + sum(w) : sum(w);
  const std::int64_t reads = 1 + rng.below(rng.below(3) == 0 ? 40 : 6);
  for (std::int64_t i = 0; i < reads; ++i) {
    const Expr read = some_read(xs, positions, rng);
    cost = tanh(cost) + sum(rng.below(2) == 0 ? tanh(read) : read * read) * 0.5;
  }
  std::vector<Expr> outputs = grad(cost, {x, w});
  if (seed % 3 == 0) outputs.push_back(grad(sum(outputs[0] * outputs[0]), x));
  const std::vector<Expr> inputs{x, w, positions};
  const Function f = function(inputs, outputs, {.mode = mode, .threads = seed % 2 == 0 ? 1 : 2});
  const auto values = [&](const Shape& shape) {
    Array a = Array::empty(DType::f64, shape);
    for (std::int64_t i = 0; i < a.numel(); ++i) a.data<double>()[i] = rng.uniform(-1, 1);
    return a.astype(t);
  };
  const std::vector<Array> arguments{
      values({rows, columns}), values({columns}),
      Array::from(std::vector<std::int64_t>{rng.below(2), -1, 2}, {3})};
  const std::vector<Array> want = reference(inputs, arguments, outputs),
             wide = reference(inputs, arguments, outputs, ir::Precision::widened),
             got = f(arguments);
  for (std::size_t i = 0; i < want.size(); ++i) {
    INFO("seed " << seed << (is_known ? ", sizes known, " : ", ") << to_string(t) << ", output "
                 << i);
    CHECK(far_apart(got[i], want[i], wide[i], t == DType::f32 ? 1e-5 : 1e-13) == "");
  }
}

} // namespace

TEST_CASE("gradients of random reads of one array equal the evaluator", "[conformance][anywhere]") {
  for (std::uint64_t seed = 0; seed < 48; ++seed)
    check(seed, seed % 4 < 2, seed % 5 == 0 ? DType::f64 : DType::f32,
          seed % 8 == 7 ? Mode::plain : Mode::fast);
}

TEST_CASE("gradients of more random reads of one array equal the evaluator",
          "[.slow][conformance][anywhere]") {
  for (std::uint64_t seed = 48; seed < 300; ++seed)
    check(seed, seed % 4 < 2, seed % 5 == 0 ? DType::f64 : DType::f32, Mode::fast);
}

} // namespace kroton::test
