/// Mode::verify. The captured graph, evaluated by the reference, says what is right. If the
/// optimised graph disagrees, the first application that made it so is found by bisection; every
/// kernel is compared with the reference on the very inputs it had.
#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <shared_mutex>
#include <utility>

#include "jit/compile/capture.hpp"
#include "jit/function/function_state.hpp"
#include "jit/report/contents.hpp"
#include "lib/ir/overflow.hpp"
#include "lib/ops/basic.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::jit {
namespace {

/// How much two results may differ, relative to the largest value around, however well the
/// computation is conditioned.
double tolerance(DType t) {
  if (!is_float(t)) return 1e-9;
  return support::visit_float(t, []<class T>(std::type_identity<T>) {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);
    return std::is_same_v<T, float> ? 2e-4 : 1e-9;
  });
}

/// How often a value's roundings are drawn anew, and how many times the largest change that this
/// makes another order of summation may be away.
constexpr int nudges = 8;
constexpr double spread_factor = 32;

std::vector<long double> elements_of(const Array& a) {
  const Array dense = a.contiguous();
  std::vector<long double> elements(static_cast<std::size_t>(dense.numel()));
  support::visit_dtype(a.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* from = std::as_const(dense).template data<T>();
    for (std::size_t i = 0; i < elements.size(); ++i)
      elements[i] = static_cast<long double>(from[i]);
  });
  return elements;
}

bool is_same(long double a, long double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

double largest_finite(const std::vector<long double>& values) {
  long double largest = 1e-30L;
  for (long double v : values)
    if (std::isfinite(v)) largest = std::max(largest, std::fabs(v));
  return static_cast<double>(largest);
}

/// Which values of some results are right. A float is right if it is near to what the reference
/// evaluator gives op by op, or near to the value in long double arithmetic, or no further from
/// the former than other roundings of intermediate values can move it. Whole numbers are right if
/// they are the reference's, or if they too depend on how something is rounded.
class Standard {
public:
  /// The results in a precision, with roundings moved by `nudge` if that is not 0.
  using Evaluate = std::function<std::vector<Array>(ir::Precision, std::uint64_t nudge)>;

  /// For each result, marks of the elements that depend on a value that overflowed.
  using Overflowed = std::function<std::vector<Array>()>;

  explicit Standard(Evaluate evaluate, Overflowed overflowed)
      : evaluate_(std::move(evaluate)), overflowed_(std::move(overflowed)),
        rounded_(evaluate_(ir::Precision::rounded, 0)) {}

  const Shape& shape(std::size_t i) const { return rounded_[i].shape(); }
  /// 0 if `got` is right as result `i`; else the largest error, relative to the largest value
  /// that is finite, or infinity. With `may_refine`, anything is right where an intermediate value
  /// overflowed.
  double error(std::size_t i, const Array& got, bool may_refine = false) {
    const Array& want = rounded_[i];
    if (got.shape() != want.shape() || got.dtype() != want.dtype()) return INFINITY;
    if (equal(got, want)) return 0;
    const auto x = elements_of(got), y = elements_of(want);
    const bool is_real = is_float(got.dtype());
    const double scale = largest_finite(y), limit = tolerance(got.dtype());
    const auto distance = [](long double a, long double b) {
      if (is_same(a, b)) return 0.0;
      return std::isfinite(a) && std::isfinite(b) ? static_cast<double>(std::fabs(a - b))
                                                  : INFINITY;
    };
    double worst = 0;
    for (std::size_t e = 0; e < x.size(); ++e) {
      const double by = distance(x[e], y[e]);
      if (by == 0 || (is_real && by <= limit * scale)) continue;
      if (may_refine && is_real && !std::isfinite(y[e])) continue;
      learn_more();
      if (is_real) {
        const long double exact = exact_[i][e];
        const double exact_scale =
            std::max(scale, std::isfinite(exact) ? double(std::fabs(exact)) : 0);
        if (distance(x[e], exact) <= limit * exact_scale) continue;
        if (may_refine && !std::isfinite(exact)) continue;
      }
      double spread = 0;
      for (const auto& other : others_) spread = std::max(spread, distance(other[i][e], y[e]));
      if (is_real ? by <= spread_factor * spread : spread > 0) continue;
      if (may_refine && depends_on_overflow(i, e)) continue;
      worst = std::max(worst, is_real ? by / scale : INFINITY);
    }
    return worst;
  }

  struct Mismatch {
    std::size_t result;
    double by;
  };
  std::optional<Mismatch> mismatch(const std::vector<Array>& got, bool may_refine = false) {
    for (std::size_t i = 0; i < got.size(); ++i)
      if (const double by = error(i, got[i], may_refine); by > 0) return Mismatch{i, by};
    return std::nullopt;
  }

private:
  /// What is evaluated only once something differs.
  void learn_more() {
    if (!exact_.empty()) return;
    for (const Array& a : evaluate_(ir::Precision::widened, 0)) exact_.push_back(elements_of(a));
    for (int n = 1; n <= nudges; ++n) {
      auto& other = others_.emplace_back();
      for (const Array& a : evaluate_(ir::Precision::rounded, static_cast<std::uint64_t>(n)))
        other.push_back(elements_of(a));
    }
  }

  bool depends_on_overflow(std::size_t i, std::size_t element) {
    if (marks_.empty())
      for (const Array& a : overflowed_()) marks_.push_back(elements_of(a));
    return marks_[i][element] != 0;
  }

  Evaluate evaluate_;
  Overflowed overflowed_;
  std::vector<Array> rounded_;
  std::vector<std::vector<long double>> exact_;
  std::vector<std::vector<std::vector<long double>>> others_;
  std::vector<std::vector<long double>> marks_;
};

struct Reference {
  std::vector<Array> arguments;
  std::vector<std::pair<const ir::SharedState*, Array>> shared;
};

ir::Bindings bindings_of(const ir::Graph& g, const Signature& s, const Reference& r) {
  ir::Bindings bindings;
  for (ir::NodeId id : g.order()) {
    const ir::GraphNode& n = g[id];
    if (n.op == &ops::input) {
      for (std::size_t i = 0; i < s.inputs.size(); ++i)
        if (s.inputs[i].node()->params.leaf() == n.params.leaf())
          bindings.values.emplace(id, r.arguments[i]);
    } else if (n.op == &ops::shared) {
      for (const auto& [state, value] : r.shared)
        if (state == n.params.leaf()) bindings.values.emplace(id, value);
    }
  }
  bindings.size_of = [&](const ir::DimNode& wanted) -> std::int64_t {
    for (std::size_t i = 0; i < s.inputs.size(); ++i) {
      if (wanted.kind == ir::DimKind::scalar &&
          s.inputs[i].node()->params.leaf() == wanted.leaf.get())
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
  return bindings;
}

std::vector<Array> evaluate_graph(const ir::Graph& g, const Signature& s, const Reference& r,
                                  ir::Precision precision = ir::Precision::rounded,
                                  std::uint64_t nudge = 0) {
  ir::Bindings bindings = bindings_of(g, s, r);
  bindings.nudge = nudge;
  return ir::evaluate(g, g.outputs(), bindings, precision);
}

Standard standard_of(ir::Graph graph, const Signature& s, const Reference& r) {
  const auto shared = std::make_shared<const ir::Graph>(std::move(graph));
  return Standard(
      [=, &s, &r](ir::Precision precision, std::uint64_t nudge) {
        return evaluate_graph(*shared, s, r, precision, nudge);
      },
      [=, &s, &r] {
        return ir::overflowed(*shared, shared->outputs(), bindings_of(*shared, s, r));
      });
}

bool is_finite(const Array& a) {
  return !is_float(a.dtype()) ||
         std::ranges::all_of(elements_of(a), [](long double v) { return std::isfinite(v); });
}

/// Whether a rule may give anything for these values, since the caller granted that NaNs or
/// infinities may be lost.
bool may_lose(Fp fp, const Reference& r) {
  if ((fp & (Fp::nnan | Fp::ninf)) == Fp::strict) return false;
  return !std::ranges::all_of(r.arguments, is_finite) ||
         !std::ranges::all_of(r.shared, [](const auto& s) { return is_finite(s.second); });
}

/// Finds the application that makes the results wrong, and throws naming its rule. One that only
/// makes finite what overflowed, or keeps digits that were lost, is taken for right if its rule
/// claims that (`Fp::refine` and what the caller granted), and the search continues after it. Gives
/// what is right after all rules.
Standard check_rules(const Recipe& recipe, const Compiled& compiled, const Reference& reference,
                     Standard standard) {
  const Signature& s = recipe.signature;
  auto rewritten = [&](long count, rewrite::PipelineReport* report = nullptr) {
    ir::Graph g =
        ir::Graph::capture(roots_of(s), compiled.assumptions.unify, compiled.assumptions.sizes);
    auto r = rewrite::run_pipeline(g, {.fp = recipe.options.fp,
                                       .contract = recipe.options.contract,
                                       .max_applications = count,
                                       .extra = recipe.sabotage.rules});
    if (report) *report = std::move(r);
    return g;
  };
  auto results = [&](long count) { return evaluate_graph(rewritten(count), s, reference); };

  const auto all = static_cast<long>(compiled.origin->get().report.applications.size());
  long good = 0;
  while (standard.mismatch(results(all))) {
    long bad = all;
    while (bad - good > 1) {
      const long middle = good + (bad - good) / 2;
      (standard.mismatch(results(middle)) ? bad : good) = middle;
    }
    rewrite::PipelineReport report;
    const ir::Graph after = rewritten(bad, &report);
    const rewrite::Application& culprit = report.applications.back();
    Standard before = standard_of(rewritten(good), s, reference);
    const auto wrong =
        before.mismatch(evaluate_graph(after, s, reference), culprit.fp != Fp::strict);
    if (wrong && !may_lose(culprit.fp, reference))
      support::fail<InternalError>(
          s.name,
          {.place = support::describe(culprit.where),
           .hint = "compile with Mode::plain to go on, and report this as a bug in Kroton"},
          "rule {} changes the result: after it rewrote {} (application {}), output {} differs "
          "from the reference by {:.3g} of its largest value",
          culprit.rule, culprit.op, bad, wrong->result, wrong->by);
    standard = standard_of(after, s, reference);
    good = bad;
  }
  return standard;
}

/// Throws if a rewrite or planning changes what the function computes.
void check_passes(const Recipe& recipe, const Compiled& compiled, const Reference& reference) {
  const Signature& s = recipe.signature;
  const auto planned = evaluate_graph(compiled.program->plan().graph, s, reference);
  Standard standard =
      standard_of(ir::Graph::capture(roots_of(s), compiled.assumptions.unify), s, reference);
  if (!standard.mismatch(planned)) return;
  standard = check_rules(recipe, compiled, reference, std::move(standard));
  if (const auto wrong = standard.mismatch(planned))
    support::fail<InternalError>(
        s.name, {.hint = "compile with Mode::plain to go on, and report this as a bug in Kroton"},
        "planning changes the result: output {} differs from the reference by {:.3g} of its "
        "largest value",
        wrong->result, wrong->by);
}

/// Whether the result of a library call satisfies what defines it, though it may be far from the
/// reference's.
bool is_near_by_its_row(const ir::Graph& graph, ir::NodeId id, ir::Bindings bindings,
                        const Array& result) {
  const ir::GraphNode& n = graph[id];
  if (!n.op->call || !n.op->call->backward_error) return false;
  bindings.nudge = 0;
  const std::vector<Array> operands =
      ir::evaluate(graph, std::vector<ir::NodeId>(n.inputs.begin(), n.inputs.end()), bindings);
  std::vector<std::int64_t> numbers;
  if (n.op->call->numbers)
    for (const Dim& d : n.op->call->numbers(graph, id))
      numbers.push_back(ir::dims::evaluate(d, bindings.size_of));
  return n.op->call->backward_error(operands, {&result, 1}, numbers) <= tolerance(result.dtype());
}

/// Where the reference finds a position outside its axis, the call itself has to say so.
template <class F> void unless_index_fails(F check) {
  try {
    check();
  } catch (const IndexError&) {
  }
}

} // namespace

std::vector<Array> verified_call(const Recipe& recipe, Versions::Lease& lease,
                                 std::span<const Array> arguments, const Array* given) {
  const Signature& s = recipe.signature;
  const Compiled& compiled = *lease.version;
  Reference reference{{arguments.begin(), arguments.end()}, {}};
  const plan::Plan& plan = compiled.program->plan();
  for (const ir::Node* n : ir::topological_order(roots_of(s))) {
    if (n->op != &ops::shared) continue;
    const auto* state = n->params.as<ops::SharedParams>().state.get();
    const std::shared_lock lock(state->mutex);
    reference.shared.emplace_back(state, state->value.copy());
  }
  // Arguments that do not fit are reported by the ordinary call.
  Contents contents(plan);
  ir::Bindings bindings;
  bool are_passes_checked = false;
  Program::Watcher watcher;
  watcher.before = [&](const Program::Moment& m) {
    if (!std::exchange(are_passes_checked, true))
      unless_index_fails([&] { check_passes(recipe, compiled, reference); });
    contents.bind(m, bindings);
  };
  watcher.after = [&](const Program::Moment& m) {
    contents.finish(m.step);
    std::optional<Standard> standard;
    unless_index_fails([&] {
      standard.emplace(
          [&](ir::Precision precision, std::uint64_t nudge) {
            bindings.nudge = nudge;
            return ir::evaluate(plan.graph, m.step.computes, bindings, precision);
          },
          [&] { return ir::overflowed(plan.graph, m.step.computes, bindings); });
    });
    if (!standard)
      support::fail<InternalError>(s.name, {.hint = "report this as a bug in Kroton"},
                                   "{} does not notice that a position is outside its axis",
                                   describe_step(*compiled.program, m.step));
    for (std::size_t i = 0; i < m.step.computes.size(); ++i) {
      const Array got = contents.result(m, i);
      const double by = standard->error(i, got);
      if (by == 0) continue;
      const ir::GraphNode& n = plan.graph[m.step.computes[i]];
      if (is_near_by_its_row(plan.graph, m.step.computes[i], bindings, got)) continue;
      support::fail<InternalError>(
          s.name,
          {.place = support::describe(n.where),
           .hint = "source() shows the kernel; report this as a bug in Kroton"},
          "{} computes {} wrongly: it differs from the reference by {:.3g} of the largest value",
          describe_step(*compiled.program, m.step), n.op->name, by);
    }
  };
  return compiled.program->run(*lease.frame, arguments, given, &watcher);
}

} // namespace kroton::jit
