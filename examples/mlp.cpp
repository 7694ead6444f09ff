/// A perceptron with one hidden layer, dropout and momentum on the embedded digits: random numbers
/// inside compiled functions, and more state than weights.
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <exception>
#include <iostream>
#include <vector>

#include <kroton/kroton.hpp>

#include "examples/digits/dataset.hpp"
#include "examples/support/progress.hpp"
#include "examples/support/report.hpp"

namespace kt = kroton;

namespace {

constexpr std::int64_t hidden = 128, classes = 10, batch = 32;
constexpr int epochs = 60;
constexpr double keep = 0.8; // of the hidden units, in each step

void run() {
  const digits::Split data = digits::split(digits::load_embedded_digits(), 0.8, 1);
  const std::int64_t n = data.train.images.dim(0), features = data.train.images.dim(1);

  // A function of nothing: it draws the weights to start from (He et al. 2015).
  kt::Random random(7);
  const double spread = std::sqrt(2.0 / static_cast<double>(features));
  const auto start =
      kt::function({}, {random.normal({features, hidden}, kt::DType::f32, 0, spread),
                        random.normal({hidden, classes}, kt::DType::f32, 0, 0.1)})({});
  const std::vector<kt::Shared> weights{
      kt::shared(start[0], "w1"), kt::shared(kt::Array::zeros<float>({hidden}), "b1"),
      kt::shared(start[1], "w2"), kt::shared(kt::Array::zeros<float>({classes}), "b2")};

  auto x = kt::matrix<float>("x");
  auto y = kt::vector<std::int32_t>("y");
  auto layer = kt::relu(kt::dot(x, weights[0]) + weights[1]);
  // Every call draws another mask; what stays is scaled up, so that evaluation needs no factor.
  auto mask = random.bernoulli(keep, layer.shape(), kt::DType::f32) * (1 / keep);
  auto scores = [&](const kt::Expr& h) { return kt::dot(h, weights[2]) + weights[3]; };
  auto loss =
      -kt::mean(kt::index(kt::log_softmax(scores(layer * mask)), {kt::arange(y.dim(0)), y}));

  const std::vector<kt::Expr> gradients = kt::grad(loss, {weights.begin(), weights.end()});
  std::vector<kt::Update> updates;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    auto speed = kt::shared(kt::Array::zeros(kt::DType::f32, weights[i].get().shape()), "speed");
    auto next = 0.9f * speed - 0.05f * gradients[i];
    updates.emplace_back(speed, next);
    updates.emplace_back(weights[i], weights[i] + next);
  }
  const auto train = kt::function({x, y}, loss, {.updates = updates, .name = "train"});
  const auto evaluate = kt::function(
      {x, y}, kt::mean(kt::cast<float>(kt::argmax(scores(layer), 1) == y)), {.name = "evaluate"});

  auto accuracy = [&] {
    return static_cast<double>(evaluate({data.test.images, data.test.labels})[0].item<float>());
  };
  examples::Progress progress(std::cout, epochs, examples::is_terminal(STDOUT_FILENO));
  char text[64] = "";
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    float sum = 0;
    for (std::int64_t i = 0; i < n; i += batch)
      sum += train({data.train.images.slice(0, i, i + batch),
                    data.train.labels.slice(0, i, i + batch)})[0]
                 .item<float>();
    std::snprintf(text, sizeof text, "loss %.3f  accuracy %.3f",
                  static_cast<double>(sum) / static_cast<double>((n + batch - 1) / batch),
                  accuracy());
    progress.update(epoch, text);
  }
  progress.finish(text);
  std::printf("test accuracy %.4f\n\n", accuracy());
  std::fflush(stdout);
  examples::report_kernels(std::cout, {train, evaluate});
}

} // namespace

int main() {
  try {
    run();
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "mlp: " << e.what() << '\n';
    return 1;
  }
}
