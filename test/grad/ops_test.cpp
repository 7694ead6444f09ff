/// The gradient of every op against finite differences, by walking the table of ops.
#include <kroton/grad.hpp>
#include <kroton/ops/contraction.hpp>
#include <kroton/ops/indexing.hpp>
#include <kroton/ops/linear_algebra.hpp>
#include <kroton/ops/parts.hpp>
#include <kroton/ops/reduction.hpp>

#include "lib/ops/arithmetic.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/contraction.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/linear_algebra.hpp"
#include "lib/ops/movement.hpp"
#include "lib/ops/reduction.hpp"
#include "lib/ops/parts.hpp"
#include "lib/ops/table.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"
#include "test/support/params.hpp"

namespace kroton::test {
namespace {

using ir::Kind;
using ir::Op;

using Shapes = std::vector<Shape>;

Array sample(Rng& rng, const Shape& shape, const ir::Domain& domain) {
  Array a = Array::empty(DType::f64, shape);
  for (std::int64_t i = 0; i < a.numel(); ++i)
    a.data<double>()[i] = rng.uniform(domain.lo, domain.hi);
  return a;
}

const ir::Domain& domain_of(const Op& op, std::size_t i) {
  static const ir::Domain plain{};
  return op.domain.empty() ? plain : op.domain[std::min(i, op.domain.size() - 1)];
}

/// Verifies `f` of arrays of those shapes, drawn from the op's domain.
void verify(const Op& op, const std::function<Expr(const std::vector<Expr>&)>& f,
            const Shapes& shapes) {
  Rng rng(std::hash<std::string_view>{}(op.name));
  std::vector<Array> point;
  for (std::size_t i = 0; i < shapes.size(); ++i)
    point.push_back(sample(rng, shapes[i], domain_of(op, i)));
  INFO(op.name);
  CHECK(verify_grad(f, point, 1e-6).worst <= 1e-6);
}

void verify_elementwise(const Op& op) {
  const auto f = [&op](const std::vector<Expr>& v) {
    if (&op == &ops::where) return kroton::where(v[0] > 0.5, v[1], v[2]);
    return ir::make(op, v, elementwise_params(op, DType::f64), Location::current());
  };
  if (&op == &ops::where) {
    // The condition has no gradient: only the alternatives are arguments.
    const Expr condition = constant(Array::from(std::vector<bool>{true, false, true, false}, {4}));
    return verify(op,
                  [&](const std::vector<Expr>& v) { return kroton::where(condition, v[0], v[1]); },
                  {{3, 4}, {3, 1}});
  }
  const std::vector<Shapes> cases =
      op.arity == 1
          ? std::vector<Shapes>{{{}}, {{3, 4}}, {{0, 2}}}
          : std::vector<Shapes>{
                {{}, {}}, {{3, 4}, {3, 4}}, {{3, 4}, {4}}, {{3, 1}, {1, 4}}, {{}, {2, 3}}};
  for (const Shapes& shapes : cases) verify(op, f, shapes);
}

void verify_reduction(const Op& op) {
  for (const std::vector<std::int64_t>& axes :
       {std::vector<std::int64_t>{0}, {1}, {0, 2}, {0, 1, 2}})
    verify(op,
           [&](const std::vector<Expr>& v) {
             return ir::make(op, v, ops::AxesParams{axes}, Location::current());
           },
           {{2, 3, 4}});
}

Expr positions(std::vector<std::int64_t> values, Shape shape) {
  return constant(Array::from(values, shape));
}

/// Ops whose attributes a generic case cannot guess.
void verify_structural(const Op& op) {
  using E = const std::vector<Expr>&;
  if (&op == &ops::reshape)
    verify(op, [](E v) { return reshape(v[0] * v[0], {2, 6}); }, {{3, 4}});
  else if (&op == &ops::transpose)
    verify(op, [](E v) { return transpose(v[0] * v[0], {2, 0, 1}); }, {{2, 3, 4}});
  else if (&op == &ops::broadcast_to)
    verify(op, [](E v) { return broadcast_to(v[0] * v[0], {2, 3, 4}); }, {{3, 1}});
  else if (&op == &ops::slice) {
    verify(op, [](E v) { return slice(v[0] * v[0], {{1, {}}, {{}, {}, -2}}); }, {{3, 5}});
    verify(op, [](E v) { return slice(v[0] * v[0], {{2, 2}}); }, {{3}});
  } else if (&op == &ops::unslice) {
    verify(op,
           [](E v) {
             return ir::make(ops::unslice, {v[0] * v[0]}, ops::SliceParams{{Dim(1)}, {2}, {Dim(7)}},
                             Location::current());
           },
           {{3}});
  } else if (&op == &ops::matmul) {
    verify(op, [](E v) { return matmul(v[0], v[1]); }, {{3, 4}, {4, 2}});
    verify(op, [](E v) { return matmul(v[0], v[1]); }, {{2, 3, 4}, {1, 4, 2}});
    verify(op, [](E v) { return dot(v[0], v[1]); }, {{4}, {4}});
  } else if (&op == &ops::gather) {
    verify(op,
           [](E v) {
             return index(v[0] * v[0], {positions({0, -1, 0}, {3}), positions({1, 2, 1}, {3})});
           },
           {{2, 3}});
    verify(op,
           [](E v) {
             return index(v[0] * v[0], {Range{}, positions({2, 0, 2, 1}, {2, 2})});
           },
           {{2, 3}});
  } else if (&op == &ops::index_add) {
    verify(op,
           [](E v) {
             return index_add({Dim(4), Dim(2)}, {positions({0, -1, 0}, {3})}, v[0] * v[0]);
           },
           {{3, 2}});
  } else if (&op == &ops::cumsum) {
    verify(op, [](E v) { return cumsum(v[0] * v[0]); }, {{5}});
    verify(op, [](E v) { return cumsum(cumsum(v[0] * v[0], 1), 0); }, {{2, 3, 4}});
  } else if (&op == &ops::cholesky) {
    const auto raised = [](const Expr& e) {
      const Expr i = arange(3);
      return e + where(expand_dims(i, {-1}) == i, 12.0, 0.0);
    };
    verify(op, [&](E v) { return cholesky(raised(v[0])); }, {{3, 3}});
    verify(op, [&](E v) { return cholesky(raised(v[0])); }, {{2, 3, 3}});
    verify(op, [&](E v) { return cholesky(raised(matmul(v[0], transpose(v[0])))); }, {{3, 3}});
  } else if (&op == &ops::solve_triangular) {
    for (int i = 0; i < 8; ++i) {
      const Triangular options{(i & 1) != 0, (i & 2) != 0, (i & 4) != 0};
      verify(op, [&](E v) { return solve_triangular(v[0], v[1], options); }, {{3, 3}, {3, 2}});
      verify(op, [&](E v) { return solve_triangular(v[0], v[1], options); }, {{2, 3, 3}, {3, 1}});
    }
  } else if (&op == &ops::max_and_argmax) {
    verify(op,
           [](E v) {
             const auto [top, at] = max_and_argmax(v[0] * v[0], 1);
             return top * (cast(at, DType::f64) + 1);
           },
           {{3, 4}});
  } else if (&op == &ops::divmod) {
    verify(op, [](E v) { return divmod(v[0], v[1]).remainder * v[1]; }, {{3, 4}, {4}});
  } else if (&op == &ops::frexp) {
    verify(op, [](E v) { return frexp(v[0]).mantissa * v[0]; }, {{3, 4}});
  } else {
    INFO(op.name << " has a gradient and no case here");
    CHECK(false);
  }
}

/// Rows without a derivative to check: no gradient, or one that is no expression at all.
bool has_derivative(const Op& op) {
  if (!op.gradient || op.is(Kind::leaf) || op.is(Kind::generator) || op.is(Kind::random) ||
      op.gives_position() || &op == &ops::stop_gradient)
    return false;
  if (op.result == ir::Result::boolean || op.dtypes == ir::Dtypes::boolean) return false;
  return &op != &ops::sign && &op != &ops::floor;
}

} // namespace

TEST_CASE("the gradient of every op agrees with finite differences", "[grad]") {
  int verified = 0;
  for (const Op* op : ops::all()) {
    if (!has_derivative(*op)) continue;
    ++verified;
    if (op->is(Kind::elementwise))
      verify_elementwise(*op);
    else if (op->is_reduction())
      verify_reduction(*op);
    else
      verify_structural(*op);
  }
  CHECK(verified >= 30);
}

TEST_CASE("composed functions agree with finite differences", "[grad]") {
  using E = const std::vector<Expr>&;
  Rng rng(7);
  const Array m = sample(rng, {3, 4}, {-2, 2});
  verify_grad([](E v) { return softmax(v[0]); }, {m});
  verify_grad([](E v) { return log(softmax(v[0])); }, {m});
  verify_grad([](E v) { return log_softmax(v[0], 0); }, {m});
  verify_grad([](E v) { return logsumexp(v[0], {0, 1}); }, {m});
  verify_grad([](E v) { return log(sum(exp(v[0]), {1})); }, {m});
  verify_grad([](E v) { return mean(v[0] * v[0], {1}); }, {m});
  verify_grad([](E v) { return log(1 + exp(v[0])) * sigmoid(v[0]); }, {m});
  verify_grad(
      [](E v) {
        return -mean(index(log(softmax(v[0])), {arange(3), positions({0, 3, -1}, {3})}));
      },
      {m});
}

} // namespace kroton::test
