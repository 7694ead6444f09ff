/// Softmax regression on handwritten digits: the example of the Theano paper (figure 1 of "Deep
/// Learning on GPUs with Theano"), compiled when it runs and found in the cache when it runs again.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include <kroton/kroton.hpp>

#include "examples/digits/dataset.hpp"
#include "examples/support/arguments.hpp"
#include "examples/support/progress.hpp"
#include "examples/support/report.hpp"

namespace kt = kroton;

namespace {

struct Settings {
  std::int64_t epochs = 100;
  std::int64_t batch = 50;
  float rate = 0.5F;
  std::int64_t seed = 1;
  std::string data;
  std::string source = examples::default_source_path().string();
};

/// False if only help was asked for.
bool read_settings(int argc, const char* const* argv, Settings& s) {
  examples::Arguments arguments("logistic_regression", "trains softmax regression on digits");
  arguments.add("--epochs", "N", "passes over the training images", s.epochs, 1);
  arguments.add("--batch", "N", "images a step", s.batch, 1);
  arguments.add("--rate", "X", "learning rate", s.rate);
  arguments.add("--seed", "N", "of the split and of the order of the batches", s.seed, 0);
  arguments.add("--data", "DIR", "MNIST-style IDX files, plain or .gz, not the embedded digits",
                s.data);
  arguments.add("--source", "FILE", "where the generated source goes", s.source);
  return arguments.parse(argc, argv, std::cout);
}

struct Model {
  kt::Function train;    ///< (images, labels) → predictions, loss; makes one step
  kt::Function evaluate; ///< (images, labels) → accuracy
};

Model build(std::int64_t features, std::int64_t classes, float rate) {
  auto x = kt::matrix<float>("x");
  auto y = kt::vector<std::int32_t>("y");
  auto w = kt::shared(kt::Array::zeros<float>({features, classes}), "w");
  auto b = kt::shared(kt::Array::zeros<float>({classes}), "b");

  auto p = kt::softmax(kt::dot(x, w) + b);
  auto pred = kt::argmax(p, 1);
  auto loss = -kt::mean(kt::index(kt::log(p), {kt::arange(y.dim(0)), y}));
  auto g = kt::grad(loss, {w, b});

  return {
      .train =
          kt::function({x, y}, {pred, loss},
                       {.updates = {{w, w - rate * g[0]}, {b, b - rate * g[1]}}, .name = "train"}),
      .evaluate = kt::function({x, y}, kt::mean(kt::cast<float>(pred == y)), {.name = "evaluate"})};
}

std::string progress_text(float loss, float accuracy) {
  char text[64];
  std::snprintf(text, sizeof text, "loss %.3f  accuracy %.3f", static_cast<double>(loss),
                static_cast<double>(accuracy));
  return text;
}

/// Trains and gives the accuracy on the test images.
float train(const Model& model, const digits::Split& data, const Settings& s) {
  const std::int64_t n = data.train.images.dim(0), batches = (n + s.batch - 1) / s.batch;
  std::vector<std::int64_t> order(static_cast<std::size_t>(batches));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  std::mt19937_64 random(static_cast<std::uint64_t>(s.seed));

  auto accuracy = [&] {
    return model.evaluate({data.test.images, data.test.labels})[0].item<float>();
  };
  examples::Progress progress(std::cout, s.epochs * batches, examples::is_terminal(STDOUT_FILENO));
  float loss = 0;
  for (std::int64_t epoch = 0, step = 0; epoch < s.epochs; ++epoch) {
    // Not std::shuffle, whose order is each standard library's own.
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
    for (const std::int64_t batch : order) {
      const std::int64_t begin = batch * s.batch, end = std::min(begin + s.batch, n);
      const std::vector<kt::Array> out = model.train(
          {data.train.images.slice(0, begin, end), data.train.labels.slice(0, begin, end)});
      // Smoothed, because single batches scatter.
      loss = step == 0 ? out[1].item<float>() : 0.95F * loss + 0.05F * out[1].item<float>();
      if (progress.is_due(++step)) progress.update(step, progress_text(loss, accuracy()));
    }
  }
  const float reached = accuracy();
  progress.finish(progress_text(loss, reached));
  return reached;
}

int run(const Settings& s) {
  const digits::Dataset all =
      s.data.empty() ? digits::load_embedded_digits() : digits::load_idx(s.data);
  const digits::Split data = digits::split(all, 0.8, static_cast<std::uint64_t>(s.seed));
  const std::vector<std::int32_t> labels = all.labels.to_vector<std::int32_t>();
  const std::int64_t classes = *std::max_element(labels.begin(), labels.end()) + 1;
  std::printf("%s: %lld images to train on, %lld to test on, %lld features, %lld classes\n",
              all.name.c_str(), static_cast<long long>(data.train.images.dim(0)),
              static_cast<long long>(data.test.images.dim(0)),
              static_cast<long long>(all.images.dim(1)), static_cast<long long>(classes));

  const Model model = build(all.images.dim(1), classes, s.rate);
  examples::write_source(s.source, {model.train, model.evaluate});
  const float accuracy = train(model, data, s);
  std::printf("test accuracy %.4f\n\n", static_cast<double>(accuracy));
  std::fflush(stdout);

  std::cout << "source:  " << s.source << '\n';
  examples::report_kernels(std::cout, {model.train, model.evaluate});
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  try {
    Settings settings;
    return read_settings(argc, argv, settings) ? run(settings) : 0;
  } catch (const examples::BadArgument& e) {
    std::cerr << "logistic_regression: " << e.what() << '\n';
    return 2;
  } catch (const std::exception& e) {
    std::cerr << "logistic_regression: " << e.what() << '\n';
    return 1;
  }
}
