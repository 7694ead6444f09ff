#include "lib/ops/variates.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include <kroton/random.hpp>

#include "lib/ir/call.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/table.hpp"
#include "lib/support/number_text.hpp"

namespace kroton::ops {
namespace {

using ir::EvalContext;
using ir::InferContext;
using ir::Kind;
using ir::Op;
using ir::Type;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): the
/// output function of a counter that begins at a key.
class Stream {
public:
  explicit Stream(double key) : state_(static_cast<std::uint64_t>(key * 0x1p53) << 11) {}

  /// In [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  /// In (0, 1].
  double positive() { return static_cast<double>((next() >> 11) + 1) * 0x1p-53; }
  /// Normal, by Marsaglia's polar method.
  double normal() {
    for (;;) {
      const double u = 2 * unit() - 1, v = 2 * unit() - 1, s = u * u + v * v;
      if (s < 1 && s > 0) return u * std::sqrt(-2 * std::log(s) / s);
    }
  }

private:
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  std::uint64_t state_;
};

/// log(k!), which std::lgamma would also give, with a sign that threads share.
double log_factorial(double k) {
  int sign = 0;
  return ::lgamma_r(k + 1, &sign);
}

double binomial(Stream& s, double n, double p) {
  if (p > 0.5) return n - binomial(s, n, 1 - p);
  if (n * p == 0) return 0;
  const double q = 1 - p, odds = p / q;
  if (n * p < 10) {
    // Inversion: the probability of k successes from that of k - 1. So many are never met.
    const double none = std::exp(n * std::log1p(-p)), most = std::min(n, 150.0);
    for (;;) {
      double u = s.unit(), f = none, k = 0;
      for (; u > f && k <= most; ++k) {
        u -= f;
        f *= odds * (n - k) / (k + 1);
      }
      if (k <= most) return k;
    }
  }
  const double spread = std::sqrt(n * p * q), b = 1.15 + 2.53 * spread,
               a = -0.0873 + 0.0248 * b + 0.01 * p, centre = n * p + 0.5, v_r = 0.92 - 4.2 / b,
               alpha = (2.83 + 5.1 / b) * spread, mode = std::floor((n + 1) * p),
               at_mode = log_factorial(mode) + log_factorial(n - mode), log_odds = std::log(odds);
  for (;;) {
    const double u = s.unit() - 0.5, v = s.positive(), us = 0.5 - std::fabs(u),
                 k = std::floor((2 * a / us + b) * u + centre);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || k > n) continue;
    if (std::log(v * alpha / (a / (us * us) + b)) <=
        at_mode - log_factorial(k) - log_factorial(n - k) + (k - mode) * log_odds)
      return k;
  }
}

bool are_trials(double n) { return n >= 0 && n <= 9e15 && n == std::floor(n); }

} // namespace

double log_gamma_variate(double key, double concentration) {
  if (!(concentration > 0)) return nan;
  if (std::isinf(concentration)) return concentration;
  Stream s(key);
  const double boost = concentration < 1 ? std::log(s.positive()) / concentration : 0,
               d = (concentration < 1 ? concentration + 1 : concentration) - 1.0 / 3,
               c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = s.normal(), root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root, u = s.positive();
    if (u < 1 - 0.0331 * x * x * x * x || std::log(u) < 0.5 * x * x + d * (1 - v + std::log(v)))
      return std::log(d * v) + boost;
  }
}

double poisson_variate(double key, double rate) {
  if (!(rate >= 0 && rate <= 9e18)) return nan;
  Stream s(key);
  if (rate < 10) {
    const double none = std::exp(-rate);
    double k = 0;
    for (double product = s.positive(); product > none; product *= s.positive()) ++k;
    return k;
  }
  const double root = std::sqrt(rate), b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b,
               inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2),
               log_rate = std::log(rate);
  for (;;) {
    const double u = s.unit() - 0.5, v = s.positive(), us = 0.5 - std::fabs(u),
                 k = std::floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v * inverse_alpha / (a / (us * us) + b)) <= k * log_rate - rate - log_factorial(k))
      return k;
  }
}

double binomial_variate(double key, double trials, double probability) {
  if (!are_trials(trials) || !(probability >= 0 && probability <= 1)) return nan;
  Stream s(key);
  return binomial(s, trials, probability);
}

std::int64_t multinomial_variate(double key, double trials, std::span<const double> weights,
                                 std::span<double> counts) {
  double rest = 0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    if (!(weights[k] >= 0 && std::isfinite(weights[k]))) return static_cast<std::int64_t>(k);
    rest += weights[k];
  }
  if (!are_trials(trials) || !std::isfinite(rest) || (rest == 0 && trials > 0))
    return static_cast<std::int64_t>(weights.size());
  std::size_t last = 0; // what rounding leaves of `rest` is no category's
  for (std::size_t k = 0; k < weights.size(); ++k)
    if (weights[k] > 0) last = k;
  Stream s(key);
  for (std::size_t k = 0; k < weights.size(); ++k) {
    counts[k] = k == last         ? trials
                : trials == 0     ? 0
                : weights[k] == 0 ? 0
                                  : binomial(s, trials, std::min(1.0, weights[k] / rest));
    trials -= counts[k];
    rest -= weights[k];
  }
  return -1;
}

namespace {

/// Keys and parameters of one shape.
Type infer_variates(InferContext& c) {
  std::vector<Dim> shape = c.in(0).shape;
  for (std::size_t i = 1; i < c.inputs.size(); ++i)
    for (std::size_t a = 0; a < shape.size(); ++a)
      shape[a] = c.require_equal(shape[a], c.in(i).shape[a], "shapes differ", "");
  return {DType::f64, std::move(shape)};
}

Type infer_multinomial(InferContext& c) {
  Type type = infer_variates(c);
  type.shape = c.in(2).shape;
  return type;
}

Array dense_f64(const Array& a) { return a.astype(DType::f64).contiguous(); }

template <class F> Array evaluate_each(const EvalContext& c, F f) {
  std::vector<Array> inputs;
  for (const Array& a : c.inputs) inputs.push_back(dense_f64(a));
  Array out = Array::empty(DType::f64, Shape(c.shape.begin(), c.shape.end()));
  const auto in = [&](std::size_t i) { return std::as_const(inputs[i]).data<double>(); };
  for (std::int64_t e = 0; e < out.numel(); ++e) {
    const double v[3] = {in(0)[e], in(1)[e], inputs.size() > 2 ? in(2)[e] : 0};
    out.data<double>()[e] = f(v);
  }
  return out;
}

Array eval_multinomial(const EvalContext& c) {
  const Array keys = dense_f64(c.inputs[0]), trials = dense_f64(c.inputs[1]),
              weights = dense_f64(c.inputs[2]);
  Array out = Array::full<double>(Shape(c.shape.begin(), c.shape.end()), nan);
  const auto k = static_cast<std::size_t>(c.shape.back());
  for (std::int64_t row = 0; row < keys.numel(); ++row)
    multinomial_variate(keys.data<double>()[row], trials.data<double>()[row],
                        {weights.data<double>() + row * c.shape.back(), k},
                        {out.data<double>() + row * c.shape.back(), k});
  return out;
}

std::vector<Expr> no_gradients(const ir::GradContext& c) {
  return std::vector<Expr>(c.inputs.size(), Expr(nullptr));
}

Expr variates_over(const ir::BatchContext& c) {
  ir::Exprs inputs;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) inputs.push_back(with_axis(c, i));
  return ir::make(c.op, std::move(inputs), {}, c.where);
}

/// The value of a failure is the parameter's, its bound the element.
[[noreturn]] void fail_as(const ir::FailureContext& c, std::string_view function,
                          std::string_view what, std::string_view expected) {
  support::fail<NumericError>(
      function, {.place = support::describe(c.graph[c.node].where), .hint = std::string(expected)},
      "{} is {} for element {}, in a call of {}", what,
      support::number_text(std::bit_cast<double>(c.failure.value)), c.failure.bound, c.function);
}

ir::LibraryCall call_of(std::size_t inputs) {
  return {.operands = std::vector<ir::Layout>(inputs, ir::Layout::dense),
          .results = {{ir::Layout::dense}},
          .takes = [](std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                      std::size_t numbers) {
            const auto is_f64 = [](const ir::CallType& t) { return t.dtype == DType::f64; };
            return numbers == 0 && results.size() == 1 && is_f64(results[0]) &&
                   operands.size() >= 2 && std::ranges::all_of(operands, is_f64);
          }};
}
const ir::LibraryCall of_two = call_of(2), of_three = call_of(3);

Expr keys_of(Random& rng, std::int64_t n) { return rng.uniform({n}, DType::f64); }
/// A parameter for each of 40 elements, as examples.
Expr parameters(double from, double to) {
  return from + (to - from) / 39.0 * kroton::cast<double>(kroton::arange(40));
}

/// What a row of samplers says beside what all of them are.
struct Sampler {
  std::string_view name;
  int arity;
  Type (*infer)(InferContext&);
  Array (*eval)(const EvalContext&);
  void (*fail)(const ir::FailureContext&);
  std::vector<ir::Example> (*examples)(DType);
  std::string_view doc;
};

/// The elements are constant between their steps: no gradient flows through them.
Op row_of(const Sampler& s) {
  return {.name = s.name,
          .arity = s.arity,
          .kind = Kind::library,
          .properties = ir::Property::fallible,
          .infer = s.infer,
          .eval = s.eval,
          .batched = variates_over,
          .gradient = no_gradients,
          .domain = {{.smooth = false}},
          .call = s.arity == 2 ? &of_two : &of_three,
          .fail = s.fail,
          .examples = s.examples,
          .doc = s.doc};
}

/// The op of 40 keys and parameters as the only example, in f64.
template <const Op& op, class... Parameters>
std::vector<ir::Example> example(DType t, std::uint64_t seed, const Parameters&... parameters) {
  if (t != DType::f64) return {};
  Random rng(seed);
  return {{ir::make(op, {keys_of(rng, 40), parameters...}, {}, Location::current())}};
}

} // namespace

const Op log_gamma_variates = row_of(
    {.name = "log-gamma-variates",
     .arity = 2,
     .infer = infer_variates,
     .eval =
         [](const EvalContext& c) {
           return evaluate_each(c, [](const double* v) { return log_gamma_variate(v[0], v[1]); });
         },
     .fail =
         [](const ir::FailureContext& c) {
           fail_as(c, "gamma", "the concentration", "concentrations are above 0");
         },
     .examples = [](DType t) { return example<log_gamma_variates>(t, 1, parameters(0.01, 30)); },
     .doc = "logarithms of numbers drawn from gamma distributions"});
const Op poisson_variates = row_of(
    {.name = "poisson-variates",
     .arity = 2,
     .infer = infer_variates,
     .eval =
         [](const EvalContext& c) {
           return evaluate_each(c, [](const double* v) { return poisson_variate(v[0], v[1]); });
         },
     .fail =
         [](const ir::FailureContext& c) {
           fail_as(c, "poisson", "the rate", "rates are from 0 to 9e18");
         },
     .examples = [](DType t) { return example<poisson_variates>(t, 2, parameters(0, 100)); },
     .doc = "numbers drawn from Poisson distributions"});
const Op binomial_variates =
    row_of({.name = "binomial-variates",
            .arity = 3,
            .infer = infer_variates,
            .eval =
                [](const EvalContext& c) {
                  return evaluate_each(
                      c, [](const double* v) { return binomial_variate(v[0], v[1], v[2]); });
                },
            .fail =
                [](const ir::FailureContext& c) {
                  const bool is_of_trials = c.failure.site == 0;
                  fail_as(c, "binomial", is_of_trials ? "the number of trials" : "the probability",
                          is_of_trials ? "trials are whole numbers from 0 to 9e15"
                                       : "probabilities are from 0 to 1");
                },
            .examples =
                [](DType t) {
                  return example<binomial_variates>(
                      t, 3, kroton::cast<double>(kroton::arange(40)) * 20.0, parameters(0, 1));
                },
            .doc = "numbers drawn from binomial distributions"});
const Op multinomial_variates = row_of(
    {.name = "multinomial-variates",
     .arity = 3,
     .infer = infer_multinomial,
     .eval = eval_multinomial,
     .fail =
         [](const ir::FailureContext& c) {
           fail_as(c, "multinomial",
                   c.failure.site == 0 ? "a weight"
                                       : "the number of trials, or the sum of the weights,",
                   "weights are finite and not negative, one of them is above 0; trials are whole "
                   "numbers from 0 to 9e15");
         },
     .examples =
         [](DType t) {
           const Expr weights =
               kroton::broadcast_to(kroton::reshape(parameters(0, 1), {8, 5}), {5, 8, 5});
           return example<multinomial_variates>(t, 4,
                                                kroton::cast<double>(kroton::arange(40)) * 20.0,
                                                kroton::reshape(weights, {40, 5}));
         },
     .doc = "numbers drawn from multinomial distributions"});

std::span<const Op* const> variates_rows() {
  static constexpr const Op* rows[] = {&log_gamma_variates, &poisson_variates, &binomial_variates,
                                       &multinomial_variates};
  return rows;
}

} // namespace kroton::ops
