/// Derivatives: the Jacobian of a band beside loops that write its elements, and products with a
/// Hessian beside the gradient, which is their limit here: they may cost two and a half times as
/// much.
#include "bench/inputs.hpp"
#include "bench/suites/suites.hpp"

#include <kroton/core.hpp>
#include <kroton/jacobian.hpp>
#include <kroton/sparse_jacobian.hpp>

namespace bench {
namespace {

namespace kt = kroton;

constexpr double most_of_gradient = 2.5;

/// y[i] = x[i]^2 x[i + 1] - x[i + 2]
kt::Expr band(const kt::Expr& x, std::int64_t n) {
  const auto from = [&](std::int64_t k) { return x[kt::Range{k, n - 2 + k}]; };
  return from(0) * from(0) * from(1) - from(2);
}

Prepared prepare_band(std::int64_t n, bool is_sparse, const Setting& setting) {
  const auto x = kt::tensor<double>({n}, "x");
  const kt::SparseJacobian j = kt::sparse_jacobian(band(x, n), x);
  const kt::Options options{.name = "jacobian", .threads = setting.threads};
  const kt::Function f = kt::function({x}, {j.values}, options);
  const kt::Array xs = inputs<double>({n}, 3);
  const std::vector<kt::Array> outputs = f(xs);
  const kt::Array by_hand = kt::Array::empty<double>(outputs[0].shape());
  const auto hand = [=] {
    const double* in = xs.data<double>();
    double* out = const_cast<double*>(by_hand.data<double>());
    for (std::int64_t i = 0; i + 2 < n; ++i) {
      out[3 * i] = 2 * in[i] * in[i + 1];
      out[3 * i + 1] = in[i] * in[i];
      out[3 * i + 2] = -1;
    }
  };
  hand();
  require_close("jacobian", outputs[0], by_hand, 1e-12, 1e-12);
  Prepared prepared;
  prepared.systems.push_back(
      {.name = "kroton", .time = repeat([=] { f.call_into({xs}, outputs); })});
  prepared.systems.push_back({.name = "limit", .time = repeat(hand)});
  if (!is_sparse) {
    const kt::Function dense = kt::function({x}, {kt::jacobian(band(x, n), x)}, options);
    const std::vector<kt::Array> whole = dense(xs);
    prepared.systems.push_back(
        {.name = "all columns", .time = repeat([=] { dense.call_into({xs}, whole); })});
  }
  return prepared;
}

Prepared prepare_product(std::int64_t rows, std::int64_t width, const Setting& setting) {
  const auto w = kt::tensor<float>({width, width}, "w"), v = kt::tensor<float>({width, width}, "v"),
             x = kt::tensor<float>({rows, width}, "x");
  const kt::Expr h = kt::tanh(kt::dot(kt::tanh(kt::dot(x, w)), w));
  const kt::Expr cost = kt::mean(h * h);
  const kt::Options options{.name = "product", .threads = setting.threads};
  const kt::Function f = kt::function({x, w, v}, {kt::hessian_vector_product(cost, w, v)}, options);
  const kt::Function gradient = kt::function({x, w}, {kt::grad(cost, w)}, options);
  const kt::Function other =
      kt::function({x, w, v}, {kt::grad(kt::sum(kt::grad(cost, w) * v), w)}, options);
  const kt::Array xs = inputs<float>({rows, width}, 1), ws = inputs<float>({width, width}, 2),
                  vs = inputs<float>({width, width}, 3);
  const std::vector<kt::Array> outputs = f(xs, ws, vs), expected = other(xs, ws, vs),
                               slopes = gradient(xs, ws);
  require_close("product with the Hessian", outputs[0], expected[0], 1e-3, 1e-5);
  Prepared prepared;
  prepared.systems.push_back({.name = "kroton",
                              .time = repeat([=] {
                                f.call_into({xs, ws, vs}, outputs);
                              }),
                              .bound = {.of_limit = most_of_gradient}});
  prepared.systems.push_back({.name = "limit", .time = repeat([=] {
                                                 gradient.call_into({xs, ws}, slopes);
                                               })});
  prepared.systems.push_back({.name = "reverse twice", .time = repeat([=] {
                                                         other.call_into({xs, ws, vs}, expected);
                                                       })});
  return prepared;
}

} // namespace

void add_derivative_cases(std::vector<Case>& cases) {
  cases.push_back({"derivatives", "jacobian of a band f64", "1000",
                   [](const Setting& s) { return prepare_band(1000, false, s); }});
  cases.push_back({"derivatives", "jacobian of a band f64", "100000",
                   [](const Setting& s) { return prepare_band(100'000, true, s); }});
  cases.push_back({"derivatives", "hessian times vector f32", "128x256",
                   [](const Setting& s) { return prepare_product(128, 256, s); }});
}

} // namespace bench
