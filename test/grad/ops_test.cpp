/// The gradient of every op against finite differences, by walking the table of ops.
#include <kroton/grad.hpp>
#include <kroton/ops/reduction.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/table.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"
#include "test/support/inputs.hpp"
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

/// Verifies the gradient of an example by each of its floating inputs, by central differences.
void verify_example(const Op& op, const ir::Example& example, std::size_t number) {
  if (!is_float(example.expr.dtype())) return; // a position, say
  const Sizes sizes{.by_name = {{"n", 3}, {"m", 4}, {"k", 2}, {"l", 3}}};
  std::vector<Expr> inputs;
  for (const Expr& e : inputs_of(example.expr))
    if (is_float(e.dtype())) inputs.push_back(e);
  // Of a tanh, so that each element has a weight of its own.
  const Expr cost = sum(tanh(0.3 * example.expr));
  std::vector<Expr> outputs = grad(cost, inputs);
  outputs.insert(outputs.begin(), cost);
  const ir::Graph g = ir::Graph::capture(outputs);

  Rng rng(std::hash<std::string_view>{}(op.name) + number);
  std::vector<Array> points;
  ir::Bindings bindings;
  bindings.size_of = sizes;
  for (const Expr& e : inputs_of(example.expr)) {
    Shape shape;
    for (const Dim& d : e.shape()) shape.push_back(ir::dims::evaluate(d, sizes));
    Array values = sample(rng, shape, {-2, 2});
    for (const ir::Example::Positions& p : example.positions)
      if (p.input.is(e)) {
        const std::int64_t size = ir::dims::evaluate(p.size, sizes);
        for (std::int64_t i = 0; i < values.numel(); ++i)
          values.data<double>()[i] = static_cast<double>(rng.below(2 * size) - size);
      }
    if (is_float(e.dtype())) points.push_back(values);
    if (const ir::NodeId id = g.find(e); id != ir::no_node)
      bindings.values.emplace(id, is_float(e.dtype()) ? values : values.astype(e.dtype()));
  }
  const auto results = ir::evaluate(g, g.outputs(), bindings);
  const ir::NodeId cost_id = g.outputs()[0];
  constexpr double step = 1e-5;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Array slopes = results[k + 1].contiguous();
    for (std::int64_t i = 0; i < points[k].numel(); ++i) {
      double& value = points[k].data<double>()[i];
      const auto cost_at = [&, middle = value](double by) {
        value = middle + by;
        const double at = ir::evaluate(g, {&cost_id, 1}, bindings)[0].item<double>();
        value = middle;
        return at;
      };
      const double numeric = (cost_at(step) - cost_at(-step)) / (2 * step);
      INFO("example " << number << " of " << op.name << ", " << inputs[k].label() << ", element "
                      << i);
      CHECK(std::fabs(slopes.data<double>()[i] - numeric) <=
            1e-6 * std::max(1.0, std::fabs(numeric)));
    }
  }
}

/// Rows with a derivative that finite differences can check: not those whose result has steps, or
/// is no function of floats. The last domain is that of what is differentiated: of a choice, the
/// alternatives.
bool has_derivative(const Op& op) {
  if (!op.gradient || op.is(Kind::leaf) || op.is(Kind::generator) || op.is(Kind::random) ||
      op.gives_position())
    return false;
  if (op.result == ir::Result::boolean || op.dtypes == ir::Dtypes::boolean) return false;
  return op.domain.empty() || op.domain.back().smooth;
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
    else {
      INFO(op->name);
      REQUIRE(op->examples != nullptr);
      const std::vector<ir::Example> examples = op->examples(DType::f64);
      for (std::size_t i = 0; i < examples.size(); ++i) verify_example(*op, examples[i], i);
    }
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
        return -mean(
            index(log(softmax(v[0])),
                  {arange(3), constant(Array::from(std::vector<std::int64_t>{0, 3, -1}, {3}))}));
      },
      {m});
}

} // namespace kroton::test
