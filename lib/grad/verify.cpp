/// grad against central finite differences, both by the reference evaluator.
#include <kroton/grad.hpp>

#include <algorithm>
#include <cmath>

#include <kroton/ops/basic.hpp>

#include "lib/ir/eval.hpp"
#include "lib/support/error.hpp"
#include "lib/support/number_text.hpp"

namespace kroton {
namespace {

/// Weights in [0.5, 1.5) that make an array a scalar without letting errors cancel.
Array projection(const Shape& shape, const Location& where) {
  Array weights = Array::empty(DType::f64, shape, where);
  std::uint64_t state = 0x2545F4914F6CDD1D;
  for (std::int64_t i = 0; i < weights.numel(); ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    weights.data<double>()[i] = 0.5 + static_cast<double>(state >> 11) * 0x1p-53;
  }
  return weights;
}

} // namespace

GradReport verify_grad(const std::function<Expr(const std::vector<Expr>&)>& f,
                       const std::vector<Array>& point, double tolerance, double step,
                       Location where) {
  std::vector<Expr> inputs;
  std::vector<Array> at;
  for (const Array& p : point) {
    at.push_back(p.astype(DType::f64, where).copy(where));
    inputs.push_back(tensor<double>({p.shape().begin(), p.shape().end()},
                                    fmt::format("argument {}", inputs.size()), where));
  }
  Expr cost = f(inputs);
  if (cost.rank() > 0) {
    Shape shape;
    for (const Dim& d : cost.shape()) {
      if (!d.is_static())
        support::fail<ShapeError>(
            "verify_grad",
            {.place = support::describe(where), .hint = "let f use the arguments' sizes only"},
            "the result {} has an unknown size", cost.label());
      shape.push_back(d.value());
    }
    cost =
        sum({Operand(cost, where) * Operand(constant(projection(shape, where), {}, where), where),
             where});
  }

  std::vector<Expr> outputs = grad(cost, inputs, {}, where);
  outputs.insert(outputs.begin(), cost);
  const ir::Graph graph = ir::Graph::capture(outputs);
  auto evaluate = [&](std::span<const ir::NodeId> wanted) {
    ir::Bindings bindings;
    bindings.size_of = [&](const ir::DimNode& d) -> std::int64_t {
      support::fail<ShapeError>("verify_grad", {.place = support::describe(where)},
                                "the size {} is unknown", d.name);
    };
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (const ir::NodeId id = graph.find(inputs[i]); id != ir::no_node)
        bindings.values.emplace(id, at[i]);
    return ir::evaluate(graph, wanted, bindings);
  };
  const std::vector<Array> analytic = evaluate(graph.outputs());

  GradReport report;
  const ir::NodeId cost_id = graph.outputs()[0];
  for (std::size_t k = 0; k < at.size(); ++k) {
    const Array slopes = analytic[k + 1].contiguous(where);
    for (std::int64_t i = 0; i < at[k].numel(); ++i) {
      double& value = at[k].data<double>()[i];
      const double middle = value;
      value = middle + step;
      const double above = evaluate({&cost_id, 1})[0].item<double>();
      value = middle - step;
      const double below = evaluate({&cost_id, 1})[0].item<double>();
      value = middle;
      const double numeric = (above - below) / (2 * step), slope = slopes.data<double>()[i];
      const double difference = std::fabs(slope - numeric) / std::max(1.0, std::fabs(slope));
      if (difference > report.worst || std::isnan(difference))
        report = {difference, static_cast<std::int64_t>(k), i, slope, numeric};
      if (!(difference <= tolerance))
        support::fail<GraphError>(
            "verify_grad",
            {.place = support::describe(where),
             .hint = "a kink or a rounded op near the point makes finite differences fail too: "
                     "move the point"},
            "argument {}, position {}: grad says {}, finite differences say {}", k, i,
            support::number_text(slope), support::number_text(numeric));
    }
  }
  return report;
}

} // namespace kroton
