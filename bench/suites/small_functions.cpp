/// Functions of a few small arrays, whose cost is that of a call and of what lies between steps.
#include "bench/inputs.hpp"
#include "bench/limit/limit.hpp"
#include "bench/suites/suites.hpp"

#include <memory>

#include <fmt/format.h>
#include <kroton/core.hpp>

namespace bench {
namespace {

namespace kt = kroton;

/// What a call may cost, beside 1.5 times the loops.
constexpr double call_ns = 60, of_loops = 1.5;

template <class T> std::shared_ptr<kt::Array> empty(const kt::Shape& shape) {
  return std::make_shared<kt::Array>(kt::Array::empty<T>(shape));
}

System calls(const kt::Function& f, const std::vector<kt::Array>& arguments,
             const std::vector<kt::Array>& outputs) {
  return {.name = "kroton",
          .time = repeat([=] { f.call_into(arguments, outputs); }),
          .bound = {.of_limit = of_loops, .aside_ns = call_ns}};
}

/// The density of a normal hierarchy, and its gradient.
Prepared log_density(const Setting& setting) {
  constexpr std::int64_t n = 10;
  const kt::Expr q = kt::tensor<double>({n}, "q"), y = kt::tensor<double>({n}, "y");
  const kt::Expr d = q - kt::mean(q), r = y - q;
  const kt::Expr lp =
      -0.5 * kt::sum(r * r) - 0.5 * kt::log(1.0 + kt::sum(d * d)) - 0.125 * kt::sum(q * q);
  const kt::Function f = kt::function({q, y}, {lp, kt::grad(lp, q)},
                                      {.name = "log density", .threads = setting.threads});
  const std::vector<kt::Array> in{inputs<double>({n}, 1), inputs<double>({n}, 2)}, out = f(in);
  Prepared prepared;
  prepared.systems.push_back(calls(f, in, out));
  if (!limits()) return prepared;
  const auto lp_by_hand = empty<double>({}), gradient = empty<double>({n});
  const auto run = [=] {
    limits()->log_density_f64(n, in[0].data<const double>(), in[1].data<const double>(),
                              lp_by_hand->data<double>(), gradient->data<double>());
  };
  run();
  require_close("log density", out[0], *lp_by_hand, 1e-12, 1e-12);
  require_close("its gradient", out[1], *gradient, 1e-12, 1e-12);
  prepared.systems.push_back({.name = "limit", .time = repeat(run)});
  return prepared;
}

/// One row through a perceptron 16-16-4 whose hidden layer ends in max(0, x).
Prepared perceptron(const Setting& setting) {
  const kt::Expr x = kt::tensor<float>({1, 16}, "x"), w = kt::tensor<float>({16, 16}, "w"),
                 b = kt::tensor<float>({16}, "b"), v = kt::tensor<float>({16, 4}, "v"),
                 c = kt::tensor<float>({4}, "c");
  const kt::Expr o = kt::dot(kt::relu(kt::dot(x, w) + b), v) + c;
  const kt::Function f =
      kt::function({x, w, b, v, c}, o, {.name = "perceptron", .threads = setting.threads});
  const std::vector<kt::Array> in{inputs<float>({1, 16}, 1), inputs<float>({16, 16}, 2),
                                  inputs<float>({16}, 3), inputs<float>({16, 4}, 4),
                                  inputs<float>({4}, 5)},
      out = f(in);
  Prepared prepared;
  prepared.systems.push_back(calls(f, in, out));
  if (!limits()) return prepared;
  const auto by_hand = empty<float>({1, 4});
  const auto run = [=] {
    limits()->perceptron_f32(in[0].data<const float>(), in[1].data<const float>(),
                             in[2].data<const float>(), in[3].data<const float>(),
                             in[4].data<const float>(), by_hand->data<float>());
  };
  run();
  require_close("perceptron", out[0], *by_hand, 1e-5, 1e-5);
  prepared.systems.push_back({.name = "limit", .time = repeat(run)});
  return prepared;
}

/// A prediction and an update of a filter with three states and one measurement.
Prepared kalman(const Setting& setting) {
  const kt::Expr p = kt::tensor<double>({3, 3}, "p"), a = kt::tensor<double>({3, 3}, "a"),
                 q = kt::tensor<double>({3, 3}, "q"), x = kt::tensor<double>({3}, "x"),
                 h = kt::tensor<double>({3}, "h"), z = kt::tensor<double>({}, "z");
  const kt::Expr at = kt::dot(a, x), pp = kt::dot(kt::dot(a, p), kt::transpose(a)) + q;
  const kt::Expr ph = kt::dot(pp, h), gain = ph / (kt::dot(h, ph) + 4.0);
  const kt::Function f = kt::function(
      {p, a, q, x, h, z},
      {at + gain * (z - kt::dot(h, at)), pp - kt::reshape(gain, {3, 1}) * kt::reshape(ph, {1, 3})},
      {.name = "Kalman", .threads = setting.threads});
  const std::vector<kt::Array> in{inputs<double>({3, 3}, 1), inputs<double>({3, 3}, 2),
                                  inputs<double>({3, 3}, 3), inputs<double>({3}, 4),
                                  inputs<double>({3}, 5),    inputs<double>({}, 6)},
      out = f(in);
  Prepared prepared;
  prepared.systems.push_back(calls(f, in, out));
  if (!limits()) return prepared;
  const auto state = empty<double>({3}), covariance = empty<double>({3, 3});
  const auto run = [=] {
    limits()->kalman_f64(in[0].data<const double>(), in[1].data<const double>(),
                         in[2].data<const double>(), in[3].data<const double>(),
                         in[4].data<const double>(), *in[5].data<const double>(),
                         state->data<double>(), covariance->data<double>());
  };
  run();
  require_close("the state", out[0], *state, 1e-12, 1e-12);
  require_close("its covariance", out[1], *covariance, 1e-12, 1e-12);
  prepared.systems.push_back({.name = "limit", .time = repeat(run)});
  return prepared;
}

} // namespace

void add_small_function_cases(std::vector<Case>& cases) {
  cases.push_back({"cliffs", "log density f64, with gradient", "10", log_density, false});
  cases.push_back({"cliffs", "perceptron f32, one row", "16-16-4", perceptron, false});
  cases.push_back({"cliffs", "Kalman filter f64", "3 states", kalman, false});
}

} // namespace bench
