#pragma once
/// Training functions: softmax regression, as the README shows it, and a perceptron.
///
///   Training t = training(w_start, b_start);      kt::Function train = t.compile();
#include <kroton/core.hpp>

namespace bench {

struct Training {
  std::vector<kroton::Shared> parameters;
  std::vector<kroton::Expr> inputs, outputs;
  kroton::Options options;

  kroton::Function compile() const { return kroton::function(inputs, outputs, options); }
};

inline Training training(const kroton::Array& w_start, const kroton::Array& b_start,
                         int threads = 1) {
  namespace kt = kroton;
  auto x = kt::matrix<float>("x");
  auto y = kt::vector<std::int32_t>("y");
  auto w = kt::shared(w_start, "w");
  auto b = kt::shared(b_start, "b");
  auto p = kt::softmax(kt::dot(x, w) + b);
  auto pred = kt::argmax(p, 1);
  auto loss = -kt::mean(kt::index(kt::log(p), {kt::arange(y.dim(0)), y}));
  auto g = kt::grad(loss, {w, b});
  return {{w, b},
          {x, y},
          {pred, loss},
          {.updates = {{w, w - 0.1f * g[0]}, {b, b - 0.1f * g[1]}},
           .name = "train",
           .threads = threads}};
}

/// Layers with tanh between them; `start` has the weights and biases of each.
inline Training perceptron(const std::vector<kroton::Array>& start, float rate, int threads) {
  namespace kt = kroton;
  auto x = kt::matrix<float>("x");
  auto y = kt::vector<std::int32_t>("y");
  Training t{.inputs = {x, y}, .options = {.name = "perceptron", .threads = threads}};
  for (const kt::Array& value : start) t.parameters.push_back(kt::shared(value));
  kt::Expr scores = x;
  for (std::size_t i = 0; i < start.size(); i += 2)
    scores = kt::dot(i ? kt::tanh(scores) : scores, t.parameters[i]) + t.parameters[i + 1];
  auto loss = -kt::mean(kt::index(kt::log_softmax(scores), {kt::arange(y.dim(0)), y}));
  const auto g = kt::grad(loss, {t.parameters.begin(), t.parameters.end()});
  for (std::size_t i = 0; i < g.size(); ++i)
    t.options.updates.emplace_back(t.parameters[i], t.parameters[i] - rate * g[i]);
  t.outputs = {loss};
  return t;
}

} // namespace bench
