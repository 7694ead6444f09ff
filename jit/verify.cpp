/// Mode::verify. The captured graph, evaluated by the reference, says what is right. If the
/// optimised graph disagrees, the first application that made it so is found by bisection; every
/// kernel is compared with the reference on the very inputs it had.
#include <cmath>
#include <map>
#include <shared_mutex>
#include <utility>

#include "jit/capture.hpp"
#include "jit/function_state.hpp"
#include "lib/ir/eval.hpp"
#include "lib/ops/ops.hpp"

namespace kroton::jit {
namespace {

/// Kernels round in another order than the reference; what matters is the error relative to the
/// largest value around.
double tolerance(DType t) { return t == DType::f32 ? 2e-4 : 1e-9; }

/// The largest difference relative to the array's largest finite value; infinite where one is
/// finite and the other is not, or a whole number differs.
double difference(const Array& a, const Array& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return INFINITY;
  if (!is_float(a.dtype())) return equal(a, b) ? 0 : INFINITY;
  const auto x = a.astype(DType::f64).to_vector<double>(),
             y = b.astype(DType::f64).to_vector<double>();
  double scale = 1e-30, worst = 0;
  for (double v : y)
    if (std::isfinite(v)) scale = std::max(scale, std::fabs(v));
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]) && std::isnan(y[i])) continue;
    if (x[i] == y[i]) continue;
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) return INFINITY;
    worst = std::max(worst, std::fabs(x[i] - y[i]) / scale);
  }
  return worst;
}

struct Reference {
  std::vector<Array> arguments;
  std::vector<std::pair<const ir::SharedState*, Array>> shared;
};

std::vector<Array> evaluate_graph(const ir::Graph& g, const Signature& s, const Reference& r) {
  ir::Bindings bindings;
  for (ir::NodeId id : g.order()) {
    const ir::GraphNode& n = g[id];
    if (n.op == &ops::input) {
      for (std::size_t i = 0; i < s.inputs.size(); ++i)
        if (s.inputs[i].node()->attrs.leaf == n.attrs.leaf)
          bindings.values.emplace(id, r.arguments[i]);
    } else if (n.op == &ops::shared) {
      for (const auto& [state, value] : r.shared)
        if (state == n.attrs.leaf.get()) bindings.values.emplace(id, value);
    }
  }
  bindings.size_of = [&](const ir::DimNode& wanted) -> std::int64_t {
    for (std::size_t i = 0; i < s.inputs.size(); ++i) {
      if (wanted.kind == ir::DimKind::scalar && s.inputs[i].node()->attrs.leaf == wanted.leaf)
        return r.arguments[i].astype(DType::i64).item<std::int64_t>();
      for (std::size_t a = 0; a < s.inputs[i].shape().size(); ++a) {
        const Dim d = g.canonical(s.inputs[i].shape()[a]);
        if (!d.is_static() &&
            (d.node().get() == &wanted || (!wanted.name.empty() && d.node()->name == wanted.name)))
          return r.arguments[i].shape()[a];
      }
    }
    return 0;
  };
  return ir::evaluate(g, g.outputs(), bindings);
}

/// The first value that differs, and by how much; -1 if none does.
std::pair<int, double> first_difference(const std::vector<Array>& a, const std::vector<Array>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (const double d = difference(a[i], b[i]); d > tolerance(a[i].dtype()))
      return {static_cast<int>(i), d};
  return {-1, 0};
}

/// Finds the application after which the results first differ, and throws naming its rule.
void blame_rule(const Recipe& recipe, const Compiled& compiled, const Reference& reference,
                const std::vector<Array>& right) {
  const Signature& s = recipe.signature;
  auto run = [&](long count, rewrite::PipelineReport* report) {
    ir::Graph g =
        ir::Graph::capture(roots_of(s), compiled.assumptions.unify, compiled.assumptions.sizes);
    auto r = rewrite::run_pipeline(g, {.fp = recipe.options.fp,
                                       .contract = recipe.options.contract,
                                       .max_applications = count,
                                       .extra = recipe.sabotage.rules});
    if (report) *report = std::move(r);
    return first_difference(evaluate_graph(g, s, reference), right);
  };
  long good = 0, bad = static_cast<long>(compiled.origin->get().report.applications.size());
  while (bad - good > 1) {
    const long middle = good + (bad - good) / 2;
    (run(middle, nullptr).first < 0 ? good : bad) = middle;
  }
  rewrite::PipelineReport report;
  const auto [output, by] = run(bad, &report);
  const rewrite::Application& culprit = report.applications.back();
  support::fail<InternalError>(
      s.name,
      {.place = support::describe(culprit.where),
       .hint = "compile with Mode::plain to go on, and report this as a bug in Kroton"},
      "rule {} changes the result: after it rewrote {} (application {}), output {} differs from "
      "the reference by {:.3g} of its largest value",
      culprit.rule, culprit.op, bad, output, by);
}

} // namespace

std::vector<Array> verified_call(const Recipe& recipe, Versions::Seat& seat,
                                 std::span<const Array> arguments, const Array* given) {
  const Signature& s = recipe.signature;
  const Compiled& compiled = *seat.version;
  Reference reference{{arguments.begin(), arguments.end()}, {}};
  const plan::Plan& plan = compiled.program->plan();
  for (const ir::Node* n : ir::topological_order(roots_of(s))) {
    if (n->op != &ops::shared) continue;
    const auto* state = static_cast<const ir::SharedState*>(n->attrs.leaf.get());
    const std::shared_lock lock(state->mutex);
    reference.shared.emplace_back(state, state->value.copy());
  }
  // Arguments that do not fit are reported by the ordinary call.
  std::map<int, ir::NodeId> content; // what each buffer holds
  for (std::size_t b = 0; b < plan.buffers.size(); ++b)
    if (plan.buffers[b].kind == plan::BufferKind::leaf)
      content[static_cast<int>(b)] = plan.buffers[b].node;
  ir::Bindings bindings;
  bool are_passes_checked = false;
  Program::Watcher watcher;
  watcher.before = [&](const Program::Moment& m) {
    if (!std::exchange(are_passes_checked, true)) {
      const auto right =
          evaluate_graph(ir::Graph::capture(roots_of(s), compiled.assumptions.unify), s, reference);
      if (first_difference(evaluate_graph(plan.graph, s, reference), right).first >= 0)
        blame_rule(recipe, compiled, reference, right);
    }
    bindings.values.clear();
    bindings.size_of = m.size_of;
    for (int b : m.step.reads) {
      // A buffer may be of another shape than the value that now lies in it.
      const ir::NodeId node = content.at(b);
      Shape shape;
      for (const Dim& d : plan.graph[node].type.shape)
        shape.push_back(ir::dims::evaluate(d, m.size_of));
      bindings.values.insert_or_assign(node, m.value(b).reshape(shape));
    }
  };
  watcher.after = [&](const Program::Moment& m) {
    for (std::size_t i = 0; i < m.step.computes.size(); ++i)
      content[m.step.filled[i]] = m.step.computes[i];
    const auto expected = ir::evaluate(plan.graph, m.step.computes, bindings);
    for (std::size_t i = 0; i < m.step.computes.size(); ++i) {
      const Array got = m.value(m.step.filled[i]).reshape(expected[i].shape());
      const double by = difference(got, expected[i]);
      if (by <= tolerance(got.dtype())) continue;
      const ir::GraphNode& n = plan.graph[m.step.computes[i]];
      const plan::KernelStep* k = m.step.kernel();
      std::string what = k ? "kernel " + compiled.program->describe_kernel(k->kernel)
                           : std::string("a library step");
      if (k && std::holds_alternative<plan::ContractionStep>(m.step.what))
        what = "a matrix product with " + what;
      support::fail<InternalError>(
          s.name,
          {.place = support::describe(n.where),
           .hint = "source() shows the kernel; report this as a bug in Kroton"},
          "{} computes {} wrongly: it differs from the reference by {:.3g} of the largest value",
          what, n.op->name, by);
    }
  };
  return compiled.program->run(*seat.frame, arguments, given, &watcher);
}

} // namespace kroton::jit
