/// Forms that neither overflow nor cancel. All of them refine: the right side is at least as
/// accurate as the left, which the generic rule test checks against higher precision.
#include <limits>

#include <kroton/ops/activation.hpp>
#include <kroton/ops/reduction.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/movement.hpp"
#include "lib/ops/special.hpp"
#include "lib/ops/transcendental.hpp"
#include "lib/rewrite/dsl.hpp"
#include "lib/rewrite/rules/facts.hpp"
#include "lib/rewrite/rules/rules.hpp"

namespace kroton::rewrite::rules {
namespace {

using namespace dsl;

/// log(e^a / s) is a - log(s). s must be known to be positive: log(e^a / -0) is NaN.
NodeId log_quotient(Site& s) {
  if (!is_positive(s.graph(), s["s"])) return ir::no_node;
  return s.make(ops::sub, {s["x"], s.make(ops::log, {s["s"]})});
}

/// log(sum(e^x)), kept in range by subtracting the largest x; where that is infinite there is
/// nothing to subtract, and where it is -inf there is no slope, as in ops' own logsumexp.
NodeId log_sum_exp(Site& s) {
  const NodeId exponent = s["x"], reduced = s["sum"];
  if (is_shifted_by_max(s.graph(), exponent)) return ir::no_node;
  const ir::Params axes = s.node(reduced).params;
  const DType dtype = s.type(exponent).dtype;
  std::vector<Dim> kept = s.type(exponent).shape;
  for (std::int64_t axis : ops::axes_of(s.node(reduced)))
    kept[static_cast<std::size_t>(axis)] = Dim(1);
  const NodeId top = s.reshape(s.make(ops::max, {exponent}, axes), kept);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const NodeId is_finite =
      s.make(ops::less, {s.make(ops::abs, {top}), s.constant(infinity, dtype)});
  const NodeId shift =
      s.make(ops::stop_gradient, {s.make(ops::where, {is_finite, top, s.constant(0, dtype)})});
  const NodeId rows =
      s.make(ops::where, {s.make(ops::not_equal, {top, s.constant(-infinity, dtype)}), exponent,
                          s.make(ops::stop_gradient, {exponent})});
  const NodeId shifted = s.make(ops::exp, {s.make(ops::sub, {rows, shift})});
  const std::vector<Dim> shape = s.type(s.root()).shape;
  const NodeId total = s.reshape(s.make(ops::sum, {shifted}, axes), shape);
  return s.make(ops::add, {s.make(ops::log, {total}), s.reshape(shift, shape)});
}

Pattern erf(Pattern p) { return any(ops::erf, {std::move(p)}); }
Pattern erfc(Pattern p) { return any(ops::erfc, {std::move(p)}); }
Pattern log1mexp(Pattern p) { return any(ops::log1mexp, {std::move(p)}); }
Pattern logit(Pattern p) { return any(ops::logit, {std::move(p)}); }

/// log(e^x + e^y), as ops' own logaddexp.
NodeId log_add_exp(Site& s) {
  const NodeId x = s["x"], y = s["y"];
  const DType dtype = s.type(s.root()).dtype;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const NodeId is_first = s.make(ops::greater_equal, {x, y});
  const NodeId high = s.make(ops::where, {is_first, x, y}),
               low = s.make(ops::where, {is_first, y, x});
  const NodeId is_infinite =
      s.make(ops::equal, {s.make(ops::abs, {low}), s.constant(infinity, dtype)});
  const NodeId below = s.make(
      ops::where, {is_infinite, s.constant(-infinity, dtype), s.make(ops::sub, {low, high})});
  return s.make(ops::add, {high, s.make(ops::softplus, {below})});
}

/// log(e^x - e^y), as ops' own logdiffexp. Adding 0 gives the zero the sign that it has on the
/// left.
NodeId log_difference_of_exps(Site& s) {
  const NodeId x = s["x"], y = s["y"];
  const DType dtype = s.type(s.root()).dtype;
  const NodeId lowest = s.constant(-std::numeric_limits<double>::infinity(), dtype);
  const NodeId below =
      s.make(ops::where, {s.make(ops::equal, {y, lowest}), lowest, s.make(ops::sub, {y, x})});
  return s.make(ops::add,
                {s.make(ops::add, {x, s.make(ops::log1mexp, {below})}), s.constant(0, dtype)});
}

/// log(1 + x) where x has a logarithm.
NodeId softplus_log(Site& s) {
  return is_positive(s.graph(), s["x"]) ? s.make(ops::log1p, {s["x"]}) : ir::no_node;
}

Expr quotient_example() {
  const Expr v = tensor<float>({3, 4}, "x");
  return kroton::log(kroton::exp(v) / kroton::sum(kroton::exp(v), {1}, true));
}
Expr quotient_near_miss() {
  const Expr v = tensor<float>({3, 4}, "x"), w = tensor<float>({3, 1}, "w");
  return kroton::log(kroton::exp(v) / w);
}
Expr scaled_near_miss() {
  const Expr v = tensor<float>({3, 4}, "x"), w = tensor<float>({3, 1}, "w");
  return kroton::log(kroton::exp(v) * (1 / w));
}
Expr log_sum_exp_example() {
  return kroton::log(kroton::sum(kroton::exp(tensor<float>({3, 4}, "x")), {1}));
}
Expr log_sum_exp_kept_example() {
  return kroton::log(kroton::sum(kroton::exp(tensor<float>({3, 4}, "x")), {1}, true));
}
Expr shifted_near_miss() { return kroton::logsumexp(tensor<float>({3, 4}, "x"), {1}); }
Expr log_two_plus_exp() { return kroton::log(2 + kroton::exp(tensor<float>({3, 4}, "x"))); }

} // namespace

const RuleSet& stability() {
  static const RuleSet set{
      "stability",
      {
          rule("log-one-plus-exp", log(1 + exp(x)), softplus(x), Fp::refine)
              .but_not(log_two_plus_exp),
          rule("log1p-exp", log1p(exp(x)), softplus(x), Fp::refine),
          rule("softplus-log", softplus(log(x)), softplus_log, Fp::refine)
              .on([] {
                return kroton::softplus(kroton::log(kroton::sigmoid(tensor<float>({3, 4}, "x"))));
              })
              .but_not([] {
                return kroton::softplus(kroton::log(tensor<float>({3, 4}, "x")));
              }),
          // Adding 0 gives the zero the sign that it has on the left.
          rule("log-one-minus-exp", log(1 - exp(x)), log1mexp(x) + 0.0, Fp::refine),
          rule("log-zero-minus-expm1", log(0.0 - expm1(x)), log1mexp(x) + 0.0, Fp::refine),
          rule("log-neg-expm1", log(-expm1(x)), log1mexp(x) + 0.0, Fp::refine),
          rule("log1p-neg-exp", log1p(-exp(x)), log1mexp(x), Fp::refine),
          rule("log1p-neg-sigmoid", log1p(-sigmoid(x)), -softplus(x), Fp::refine),
          rule("log-odds", log(x / (1 - x)), logit(x), Fp::refine),
          rule("log-odds-as-difference", log(x) - log1p(-x), logit(x), Fp::refine),
          rule("log-odds-as-difference-plus-zero", log(x) - (log1p(-x) + 0.0), logit(x),
               Fp::refine),
          // Neither overflows, but where the result crosses 0 either form may be the nearer one.
          rule("log-add-exp", log(exp(x) + exp(y)), log_add_exp, Fp::refine | Fp::approx)
              .excepting("beside -inf, a number whose exponential underflows stays that number"),
          rule("log-difference-of-exps", log(exp(x) - exp(y)), log_difference_of_exps,
               Fp::refine | Fp::approx)
              .excepting("beside -inf, a number whose exponential underflows counts as above 0"),
          rule("one-minus-erf", 1 - erf(x), erfc(x), Fp::refine),
          rule("one-plus-erf", 1 + erf(x), erfc(-x), Fp::refine),
          rule("erf-minus-one", erf(x) - 1, 0.0 - erfc(x), Fp::refine),
          rule("one-minus-erfc", 1 - erfc(x), erf(x) + 0.0, Fp::refine),
          rule("erfc-times-exp-square", exp(x * x) * erfc(x), any(ops::erfcx, {x}), Fp::refine)
              .excepting("inf * 0 is NaN, erfcx(inf) is 0"),
          rule("log-one-plus", log(1 + x), log1p(x) + 0.0, Fp::refine),
          rule("log-one-minus", log(1 - x), log1p(-x) + 0.0, Fp::refine),
          rule("exp-minus-one", exp(x) - 1, expm1(x) + 0.0, Fp::refine),
          rule("one-minus-exp", 1 - exp(x), 0.0 - expm1(x), Fp::refine),
          rule("exp-plus-minus-one", exp(x) + -1, expm1(x) + 0.0, Fp::refine),
          rule("log-exp", log(exp(x)), x + 0.0, Fp::refine),
          rule("log-sigmoid", log(sigmoid(x)), 0.0 - softplus(-x), Fp::refine),
          rule("log-sqrt", log(sqrt(x)), 0.5 * log(x), Fp::refine | Fp::approx),
          rule("reciprocal-one-plus-exp", 1 / (1 + exp(-x)), sigmoid(x), Fp::refine),
          rule("exp-over-one-plus-exp", exp(x) / (1 + exp(x)), sigmoid(x), Fp::refine)
              .excepting("inf / inf is NaN, sigmoid(inf) is 1"),
          rule("one-minus-sigmoid", 1 - sigmoid(x), sigmoid(-x), Fp::refine),
          rule("sigmoid-minus-square", sigmoid(x) - sigmoid(x) * sigmoid(x),
               sigmoid(x) * sigmoid(-x), Fp::refine),
          rule("one-minus-tanh", 1 - tanh(x), 2 * sigmoid(-2 * x), Fp::refine),
          rule("one-plus-tanh", 1 + tanh(x), 2 * sigmoid(2 * x), Fp::refine),
          rule("one-minus-tanh-square", 1 - tanh(x) * tanh(x), any(ops::tanh_slope, {x}),
               Fp::refine),
          rule("tanh-square-minus-one", tanh(x) * tanh(x) - 1, 0.0 - any(ops::tanh_slope, {x}),
               Fp::refine),
          rule("log-softmax", log(exp(x) / as("s", y)), log_quotient, Fp::refine)
              .on(quotient_example)
              .but_not(quotient_near_miss)
              .excepting(
                  "in a row that holds inf, finite elements give -inf where inf / inf was NaN"),
          rule("log-softmax-scaled", log(exp(x) * (1 / as("s", y))), log_quotient, Fp::refine)
              .on([] {
                return kroton::log(kroton::softmax(tensor<float>({3, 4}, "x"), 1));
              })
              .but_not(scaled_near_miss)
              .excepting(
                  "in a row that holds inf, finite elements give -inf where inf / inf was NaN"),
          rule("log-sum-exp", log(as("sum", any(ops::sum, {exp(x)}))), log_sum_exp, Fp::refine)
              .on(log_sum_exp_example)
              .but_not(shifted_near_miss),
          rule("log-sum-exp-kept", log(any(ops::reshape, {as("sum", any(ops::sum, {exp(x)}))})),
               log_sum_exp, Fp::refine)
              .on(log_sum_exp_kept_example),
      }};
  return set;
}

} // namespace kroton::rewrite::rules
