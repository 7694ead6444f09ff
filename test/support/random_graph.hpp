#pragma once
/// Random expressions: what fuzz tests compare optimised and unoptimised, evaluated and compiled.
///
///   const std::uint64_t seed = fuzz_seed(k);          // KROTON_FUZZ_SEED replays one
///   RandomGraph r = random_graph(seed, {.nodes = 20});
///   // r.inputs, r.outputs; a failure prints the seed
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/indexing.hpp>
#include <kroton/ops/movement.hpp>
#include <kroton/shared.hpp>

#include "test/support/broadcasts.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {

struct RandomGraphOptions {
  int nodes = 20;
  DType dtype = DType::f32;
  bool has_unknown_dims = true; ///< else all sizes are static
  bool has_indexing = true;
  bool has_products = true;
};

struct RandomGraph {
  std::vector<Expr> inputs;
  std::vector<Expr> outputs;
};

/// The seed to replay, if the environment names one.
inline std::optional<std::uint64_t> replayed_seed() {
  const char* text = std::getenv("KROTON_FUZZ_SEED");
  if (!text) return std::nullopt;
  return std::strtoull(text, nullptr, 0);
}

/// Expressions over three inputs of shape [n,4], [4] and [n,1] (n unknown or 3) and what is made of
/// them. Every op's result stays in the pool, so that shared parts and dead ones occur.
class RandomGraphMaker {
public:
  RandomGraphMaker(std::uint64_t seed, RandomGraphOptions options) : rng_(seed), options_(options) {
    const Dim n = options.has_unknown_dims ? kroton::dim("n") : Dim(3);
    for (const auto& shape : {std::vector<Dim>{n, 4}, std::vector<Dim>{4}, std::vector<Dim>{n, 1},
                              std::vector<Dim>{n, 4}}) {
      graph_.inputs.push_back(tensor(
          options.dtype, shape, std::string(1, static_cast<char>('a' + graph_.inputs.size()))));
      pool_.push_back(graph_.inputs.back());
    }
    graph_.inputs.push_back(tensor(DType::i64, {n}, "y"));
  }

  RandomGraph make() {
    for (int i = 0; i < options_.nodes; ++i)
      if (auto e = step()) pool_.push_back(*e);
    for (int i = 0; i < 3; ++i)
      graph_.outputs.push_back(pool_[pool_.size() - 1 - static_cast<std::size_t>(rng_.below(6))]);
    return graph_;
  }

private:
  const Expr& any() {
    return pool_[static_cast<std::size_t>(rng_.below(static_cast<std::int64_t>(pool_.size())))];
  }
  const Expr& recent() {
    const auto n = static_cast<std::int64_t>(pool_.size());
    return pool_[static_cast<std::size_t>(n - 1 - rng_.below(std::min<std::int64_t>(n, 5)))];
  }
  Expr literal() {
    const double values[] = {0.0, -0.0, 1, -1, 2, 0.5, 3, 1e-3};
    return cast(constant(values[rng_.below(8)]), options_.dtype);
  }

  Expr unary(const Expr& a) {
    switch (rng_.below(16)) {
    case 0:
      return exp(a);
    case 1:
      return log(a);
    case 2:
      return log(1 + exp(a));
    case 3:
      return -a;
    case 4:
      return abs(a);
    case 5:
      return tanh(a);
    case 6:
      return sigmoid(a);
    case 7:
      return relu(a);
    case 8:
      return sqrt(abs(a));
    case 9:
      return 1 / (1 + exp(-a));
    case 10:
      return exp(a) - 1;
    case 11:
      return pow(a, 2);
    case 12:
      return a / 4;
    case 13:
      return log(1 + a * a);
    case 14:
      return stop_gradient(a);
    default:
      return cast(cast(a, DType::f64), options_.dtype);
    }
  }
  std::optional<Expr> binary(const Expr& a, const Expr& b) {
    if (!broadcasts(a, b)) return std::nullopt;
    switch (rng_.below(7)) {
    case 0:
      return a + b;
    case 1:
      return a - b;
    case 2:
      return a * b;
    case 3:
      return a / (1 + abs(b));
    case 4:
      return maximum(a, b);
    case 5:
      return minimum(a, b);
    default:
      return where(a > b, a, b);
    }
  }
  std::optional<Expr> movement(const Expr& a) {
    switch (rng_.below(6)) {
    case 0:
      return transpose(a);
    case 1:
      return reshape(a, {-1});
    case 2:
      return expand_dims(a, {0});
    case 3:
      return a.rank() > 0 ? std::optional(slice(a, {{{}, {}, -1}})) : std::nullopt;
    case 4:
      return a.rank() > 0 ? std::optional(broadcast_to(expand_dims(a, {0}), with_front(a)))
                          : std::nullopt;
    default:
      return squeeze(a);
    }
  }
  static std::vector<Dim> with_front(const Expr& a) {
    std::vector<Dim> shape = a.shape();
    shape.insert(shape.begin(), Dim(2));
    return shape;
  }
  std::optional<Expr> reduction(const Expr& a) {
    if (a.rank() == 0) return std::nullopt;
    const int axis = static_cast<int>(rng_.below(a.rank()));
    const bool keep = rng_.below(2) == 0;
    switch (rng_.below(6)) {
    case 0:
      return sum(a, {axis}, keep);
    case 1:
      return max(a, {axis}, keep);
    case 2:
      return min(a, {axis}, keep);
    case 3:
      return mean(a, {axis}, keep);
    case 4:
      return softmax(a, axis);
    default:
      return log(softmax(a, axis));
    }
  }
  std::optional<Expr> product(const Expr& a, const Expr& b) {
    if (a.rank() != 2 || b.rank() != 2) return std::nullopt;
    const Expr p = dot(transpose(a), ir::dims::same(a.shape()[0], b.shape()[0]) ? b : a);
    const Expr square = dot(transpose(a), a);
    return ir::dims::same(p.shape(), square.shape()) && rng_.below(2) == 0 ? p - 0.1 * square : p;
  }
  std::optional<Expr> indexing() {
    const Expr& y = graph_.inputs.back();
    for (int tries = 0; tries < 4; ++tries) {
      const Expr& a = any();
      if (a.rank() != 2 || !ir::dims::same(a.shape()[0], y.shape()[0]) || !a.shape()[1].is(4))
        continue;
      const Expr rows = arange(y.dim(0));
      if (rng_.below(2) == 0) return index(a, {rows, y});
      return index_add(a.shape(), {rows, y}, index(a, {rows, y}));
    }
    return std::nullopt;
  }

  std::optional<Expr> step() {
    const auto kind = rng_.below(12);
    if (kind < 4) return unary(recent());
    if (kind < 7) return binary(recent(), any());
    if (kind == 7) return binary(recent(), literal());
    if (kind == 8) return movement(recent());
    if (kind == 9) return reduction(recent());
    if (kind == 10) return options_.has_products ? product(any(), any()) : std::nullopt;
    return options_.has_indexing ? indexing() : std::nullopt;
  }

  Rng rng_;
  RandomGraphOptions options_;
  RandomGraph graph_;
  std::vector<Expr> pool_;
};

inline RandomGraph random_graph(std::uint64_t seed, RandomGraphOptions options = {}) {
  return RandomGraphMaker(seed, options).make();
}

} // namespace kroton::test
