#include "test/support/random_graph.hpp"
#include <algorithm>

#include <kroton/ops/scatter.hpp>
#include <kroton/shared.hpp>

#include "lib/ops/table.hpp"
#include "test/support/broadcasts.hpp"
#include "test/support/evaluate.hpp"
#include "test/support/inputs.hpp"
#include "test/support/params.hpp"

namespace kroton::test {
namespace {

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

  template <class T> const T& one_of(const std::vector<T>& list) {
    return list[static_cast<std::size_t>(rng_.below(static_cast<std::int64_t>(list.size())))];
  }
  static bool is_smooth(const ir::Op& op) {
    return op.gradient && op.result == ir::Result::same &&
           std::ranges::all_of(op.domain, [](const ir::Domain& d) { return d.smooth; });
  }
  /// The rows of smooth functions of so many floats. Of those with steps, rounding that rewrites
  /// change would make something else; `random_composition` has them.
  static std::vector<const ir::Op*> functions(int arity) {
    std::vector<const ir::Op*> found;
    for (const ir::Op* op : ops::all())
      if (op->is(ir::Kind::elementwise) && op->arity == arity && op->eval_float && is_smooth(*op) &&
          op->dtypes != ir::Dtypes::integral && op->dtypes != ir::Dtypes::boolean)
        found.push_back(op);
    return found;
  }
  static std::vector<const ir::Op*> folds() {
    std::vector<const ir::Op*> found;
    for (const ir::Op* op : ops::all())
      if (op->is_reduction() && is_smooth(*op)) found.push_back(op);
    return found;
  }
  /// `a`, brought into a domain that is narrower than what inputs are drawn from.
  static Expr within(const Expr& a, const ir::Domain& d) {
    if (d.lo <= -4 && d.hi >= 4) return a;
    return (d.lo + d.hi) / 2 + (d.hi - d.lo) / 2 * tanh(a);
  }
  Expr apply(const ir::Op& op, std::vector<Expr> operands) {
    for (std::size_t i = 0; i < operands.size() && !op.domain.empty(); ++i)
      operands[i] = within(operands[i], op.domain[std::min(i, op.domain.size() - 1)]);
    return ir::make(op, std::move(operands), elementwise_params(op, options_.dtype),
                    Location::current());
  }

  Expr unary(const Expr& a) {
    if (rng_.below(2) == 0) return apply(*one_of(functions(1)), {a});
    // What rules look for, and functions outside of their domains.
    switch (rng_.below(14)) {
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
      return sqrt(abs(a));
    case 6:
      return relu(a);
    case 7:
      return 1 / (1 + exp(-a));
    case 8:
      return exp(a) - 1;
    case 9:
      return ir::make(*ops::find("pow"), {a, cast(constant(2.0), a.dtype())}, {},
                      Location::current());
    case 10:
      return a / 4;
    case 11:
      return log(1 + a * a);
    case 12:
      return tanh(a);
    default:
      return cast(cast(a, DType::f64), options_.dtype);
    }
  }
  std::optional<Expr> binary(const Expr& a, const Expr& b) {
    if (!broadcasts(a, b)) return std::nullopt;
    switch (rng_.below(5)) {
    case 0:
      return a * b;
    case 1:
      return a / (1 + abs(b));
    case 2:
      return where(a > b, a, b);
    default:
      return apply(*one_of(functions(2)), {a, b});
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
      return example();
    }
  }
  /// An example of a row that moves elements or multiplies matrices, on inputs of its own.
  std::optional<Expr> example() {
    std::vector<ir::Example> examples;
    for (const ir::Op* op : ops::all())
      if (op->is(ir::Kind::movement) || (op->is(ir::Kind::contraction) && options_.has_products))
        for (ir::Example& e : op->examples(options_.dtype)) examples.push_back(std::move(e));
    const ir::Example& drawn = one_of(examples);
    const std::vector<Expr> inputs = inputs_of(drawn.expr);
    const auto is_static = [](const Expr& e) {
      return std::ranges::all_of(e.shape(), [](const Dim& d) { return d.is_static(); });
    };
    if (!options_.has_unknown_dims && !std::ranges::all_of(inputs, is_static)) return std::nullopt;
    graph_.inputs.insert(graph_.inputs.end() - 1, inputs.begin(), inputs.end());
    return drawn.expr;
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
      return mean(a, {axis}, keep);
    case 1:
      return softmax(a, axis);
    case 2:
      return log(softmax(a, axis));
    default: {
      const Expr folded =
          ir::make(*one_of(folds()), {a}, ir::AxesParams{{axis}}, Location::current());
      return keep ? expand_dims(folded, {axis}) : folded;
    }
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

} // namespace

RandomGraph random_graph(std::uint64_t seed, RandomGraphOptions options) {
  return RandomGraphMaker(seed, options).make();
}

} // namespace kroton::test
