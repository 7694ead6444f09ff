/// The training step of softmax regression: two products, softmax, loss, gradients and updates.
#include "bench/inputs.hpp"
#include "bench/limit/limit.hpp"
#include "bench/suites/suites.hpp"
#include "bench/training.hpp"

#include <fmt/format.h>

namespace bench {
namespace {

namespace kt = kroton;

constexpr std::int64_t features = 784, classes = 10;

Prepared training_step(const Setting& setting, std::int64_t rows) {
  kt::Array w_start = inputs<float>({features, classes}, 3);
  for (std::int64_t i = 0; i < w_start.numel(); ++i) w_start.data<float>()[i] *= 0.01f;
  const kt::Array b_start = kt::Array::zeros<float>({classes});
  Training t = training(w_start, b_start, setting.threads);
  const kt::Function train = t.compile();
  const kt::Array x = inputs<float>({rows, features}, 1), y = labels(rows, classes, 2);
  const kt::Array predicted = kt::Array::zeros<std::int64_t>({rows}),
                  loss = kt::Array::zeros<float>({});
  train.call_into({x, y}, {predicted, loss});

  Prepared prepared;
  prepared.checksum = loss.item<float>();
  const std::vector<kt::Array> arguments = {x, y}, outputs = {predicted, loss};
  // Each round trains from the start: all systems meet the same numbers.
  prepared.systems.push_back({.name = "kroton",
                              .time = repeat([=] { train.call_into(arguments, outputs); }),
                              .before_round = [=]() mutable {
                                t.w.set(w_start);
                                t.b.set(b_start);
                              }});
  if (const Limits* by_hand = limits()) {
    kt::Array w = w_start.copy(), b = b_start.copy();
    kt::Array hand_predicted = kt::Array::zeros<std::int64_t>({rows}),
              hand_loss = kt::Array::zeros<float>({});
    const LogisticStep step{rows,
                            features,
                            x.data<const float>(),
                            y.data<const std::int32_t>(),
                            0.1f,
                            w.data<float>(),
                            b.data<float>(),
                            hand_predicted.data<std::int64_t>(),
                            hand_loss.data<float>()};
    by_hand->logistic_step(step);
    require_close("training step, loss", loss, hand_loss, 1e-5, 0);
    require_close("training step, predictions", predicted, hand_predicted, 0, 0);
    require_close("training step, w", t.w.get(), w, 1e-4, 1e-6);
    require_close("training step, b", t.b.get(), b, 1e-4, 1e-6);
    // The arrays that the step points into live as long as the work.
    prepared.systems.push_back({.name = "limit",
                                .time = repeat([=] {
                                  by_hand->logistic_step(step);
                                  (void)x;
                                  (void)y;
                                  (void)hand_predicted;
                                  (void)hand_loss;
                                }),
                                .before_round = [=] {
                                  kt::copy_elements(w, w_start);
                                  kt::copy_elements(b, b_start);
                                }});
  }
  return prepared;
}

} // namespace

void add_training_cases(std::vector<Case>& cases) {
  cases.push_back({"training", "training step f32", fmt::format("600x{}->{}", features, classes),
                   [](const Setting& s) { return training_step(s, 600); }});
}

} // namespace bench
