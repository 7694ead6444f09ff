/// Training steps bound by matrix products: softmax regression, and a perceptron.
#include "bench/inputs.hpp"
#include "bench/limit/limit.hpp"
#include "bench/settle.hpp"
#include "bench/suites/suites.hpp"
#include "bench/training.hpp"

#include <memory>

#include <fmt/format.h>

namespace bench {
namespace {

namespace kt = kroton;

constexpr std::int64_t features = 784, hidden = 500, classes = 10;

kt::Array weights(const kt::Shape& shape, std::uint32_t stream, float scale) {
  kt::Array w = inputs<float>(shape, stream);
  for (std::int64_t i = 0; i < w.numel(); ++i) w.data<float>()[i] *= scale;
  return w;
}

/// A step on parameters that every round sets back, so that all systems meet the same numbers.
System kroton_system(const Training& t, const kt::Function& step,
                     const std::vector<kt::Array>& arguments, const std::vector<kt::Array>& outputs,
                     const std::vector<kt::Array>& start, double of_limit) {
  return {.name = "kroton",
          .time = repeat([=] { step.call_into(arguments, outputs); }),
          .before_round =
              [=, parameters = t.parameters]() mutable {
                for (std::size_t i = 0; i < start.size(); ++i) parameters[i].set(start[i]);
              },
          .bound = {.of_limit = of_limit}};
}

/// Checks that one step by hand gives what Kroton's first step gave. `memory` are the parameters
/// that `work` updates; it keeps what else it needs alive.
template <class Work>
System limit_system(const Training& t, const std::vector<kt::Array>& start,
                    std::vector<kt::Array> memory, const Work& work) {
  work();
  for (std::size_t i = 0; i < memory.size(); ++i)
    require_close(fmt::format("parameter {}", i), t.parameters[i].get(), memory[i], 1e-4, 1e-6);
  return {.name = "limit", .time = repeat(work), .before_round = [=]() mutable {
            for (std::size_t i = 0; i < start.size(); ++i) kt::copy_elements(memory[i], start[i]);
          }};
}

std::vector<kt::Array> copies(const std::vector<kt::Array>& arrays) {
  std::vector<kt::Array> result;
  for (const kt::Array& a : arrays) result.push_back(a.copy());
  return result;
}

Prepared training_step(const Setting& setting, std::int64_t rows, double of_limit) {
  const std::vector<kt::Array> start = {weights({features, classes}, 3, 0.01f),
                                        kt::Array::zeros<float>({classes})};
  const Training t = training(start[0], start[1], setting.threads);
  const kt::Function step = t.compile();
  const kt::Array x = inputs<float>({rows, features}, 1), y = labels(rows, classes, 2);
  const std::vector<kt::Array> outputs = step({x, y});

  Prepared prepared;
  prepared.checksum = checksum_of(outputs[1]);
  prepared.systems.push_back(kroton_system(t, step, {x, y}, outputs, start, of_limit));
  if (const Limits* by_hand = limits()) {
    std::vector<kt::Array> memory = copies(start);
    kt::Array predicted = kt::Array::zeros<std::int64_t>({rows}),
              loss = kt::Array::zeros<float>({});
    const LogisticStep s{rows,
                         x.data<const float>(),
                         y.data<const std::int32_t>(),
                         0.1f,
                         memory[0].data<float>(),
                         memory[1].data<float>(),
                         predicted.data<std::int64_t>(),
                         loss.data<float>()};
    prepared.systems.push_back(limit_system(t, start, memory, [=] {
      by_hand->logistic_step(s);
      (void)x, (void)y, (void)predicted, (void)loss;
    }));
    require_close("training step, loss", outputs[1], loss, 1e-5, 0);
    require_close("training step, predictions", outputs[0], predicted, 0, 0);
  }
  settle(step, std::vector{x, y}, outputs);
  return prepared;
}

Prepared perceptron_step(const Setting& setting) {
  const std::vector<kt::Array> start = {
      weights({features, hidden}, 3, 0.05f), kt::Array::zeros<float>({hidden}),
      weights({hidden, classes}, 4, 0.1f), kt::Array::zeros<float>({classes})};
  constexpr float rate = 0.01f;
  const Training t = perceptron(start, rate, setting.threads);
  const kt::Function step = t.compile();
  const kt::Array x = inputs<float>({perceptron_rows, features}, 1),
                  y = labels(perceptron_rows, classes, 2);
  const std::vector<kt::Array> outputs = step({x, y});

  Prepared prepared;
  prepared.checksum = checksum_of(outputs[0]);
  prepared.systems.push_back(kroton_system(t, step, {x, y}, outputs, start, 1.1));
  if (const Limits* by_hand = limits()) {
    std::vector<kt::Array> memory = copies(start);
    kt::Array loss = kt::Array::zeros<float>({});
    const PerceptronStep s{x.data<const float>(),
                           y.data<const std::int32_t>(),
                           rate,
                           memory[0].data<float>(),
                           memory[1].data<float>(),
                           memory[2].data<float>(),
                           memory[3].data<float>(),
                           loss.data<float>()};
    prepared.systems.push_back(limit_system(t, start, memory, [=] {
      by_hand->perceptron_step(s);
      (void)x, (void)y, (void)loss;
    }));
    require_close("perceptron step, loss", outputs[0], loss, 1e-5, 0);
  }
  settle(step, std::vector{x, y}, outputs);
  return prepared;
}

} // namespace

void add_training_cases(std::vector<Case>& cases) {
  for (const auto& [rows, of_limit] : {std::pair{600, 1.3}, {32, 1.5}})
    cases.push_back({.suite = "training",
                     .name = "training step f32",
                     .size = fmt::format("{}x{}->{}", rows, features, classes),
                     .prepare = [=](const Setting& s) { return training_step(s, rows, of_limit); },
                     .is_compute_bound = rows == 600});
  cases.push_back({.suite = "training",
                   .name = "perceptron step f32",
                   .size = fmt::format("{}x{}->{}->{}", perceptron_rows, features, hidden, classes),
                   .prepare = perceptron_step,
                   .is_compute_bound = true});
}

} // namespace bench
