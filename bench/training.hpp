#pragma once
/// The training function of softmax regression, as the README shows it.
///
///   Training t = training(784, 10);      kt::Function train = t.compile();
#include <kroton/kroton.hpp>

namespace bench {

struct Training {
  kroton::Shared w, b;
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
  return {w,
          b,
          {x, y},
          {pred, loss},
          {.updates = {{w, w - 0.1f * g[0]}, {b, b - 0.1f * g[1]}},
           .name = "train",
           .threads = threads}};
}

} // namespace bench
