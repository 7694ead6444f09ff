/// Trains the network of model.hpp for 2,000 epochs on a data set of 107,546 rows that is in
/// shared variables: a call is one step, and is given nothing but where its rows begin.
#include "examples/network/dataset.hpp"
#include "examples/support/arguments.hpp"
#include "examples/support/progress.hpp"
#include "examples/support/report.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>

namespace {

namespace kt = kroton;
using Clock = std::chrono::steady_clock;

struct Settings {
  std::int64_t epochs = 2000, batch = 32, rows = 107546, seed = 1;
  std::string curve = "network-loss.csv";
};

/// False if only help was asked for.
bool read_settings(int argc, const char* const* argv, Settings& s) {
  examples::Arguments arguments("network", "trains a network 16-30-30-10 on made-up data");
  arguments.add("--epochs", "N", "passes over the rows", s.epochs, 1);
  arguments.add("--batch", "N", "rows a step", s.batch, 1);
  arguments.add("--rows", "N", "rows to train on", s.rows, 1);
  arguments.add("--seed", "N", "of the weights to start from", s.seed, 0);
  arguments.add("--curve", "FILE", "where the loss of each epoch goes, as CSV", s.curve);
  return arguments.parse(argc, argv, std::cout);
}

/// One pass over the data, in the order in which it is; the last batch may be smaller.
class Epoch {
public:
  Epoch(network::Model& model, const network::Dataset& data, std::int64_t batch)
      : rows_(data.images.dim(0)), batch_(batch) {
    const kt::Shared images = kt::shared(data.images, "images"),
                     labels = kt::shared(data.labels, "labels");
    if (batch <= rows_) step_ = model.step_on(images, labels, batch, {.threads = 1});
    if (rows_ % batch) last_ = model.step_on(images, labels, rows_ % batch, {.threads = 1});
  }

  /// Gives the mean loss of the rows, each as it was before its step.
  double run() {
    double sum = 0;
    std::int64_t& first = *arguments_[0].data<std::int64_t>();
    const auto step = [&](const kt::Function& f, std::int64_t rows) {
      f.call_into(arguments_, outputs_);
      sum += static_cast<double>(outputs_[0].item<float>()) * static_cast<double>(rows);
    };
    for (first = 0; first + batch_ <= rows_; first += batch_) step(*step_, batch_);
    if (last_) step(*last_, rows_ % batch_);
    return sum / static_cast<double>(rows_);
  }

  std::vector<kt::Function> functions() const {
    std::vector<kt::Function> result;
    for (const auto& f : {step_, last_})
      if (f) result.push_back(*f);
    return result;
  }

private:
  std::int64_t rows_, batch_;
  std::optional<kt::Function> step_, last_;
  std::vector<kt::Array> arguments_ = {kt::Array::scalar(std::int64_t{0})},
                         outputs_ = {kt::Array::zeros<float>({})};
};

void run(const Settings& s) {
  constexpr std::int64_t test_rows = 10000;
  const auto seconds = [start = Clock::now()] {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  network::Model model(network::start_values(static_cast<std::uint64_t>(s.seed)));
  Epoch epoch(model, network::make_dataset(0, s.rows), s.batch);
  const double ready = seconds();

  std::ofstream curve(s.curve);
  curve << "epoch,loss,seconds\n";
  examples::Progress progress(std::cout, s.epochs, examples::is_terminal(STDOUT_FILENO));
  char text[64] = "";
  for (std::int64_t i = 1; i <= s.epochs; ++i) {
    const double loss = epoch.run();
    curve << i << ',' << loss << ',' << seconds() - ready << '\n';
    std::snprintf(text, sizeof text, "loss %.4f", loss);
    if (progress.is_due(i)) progress.update(i, text);
  }
  progress.finish(text);
  const double took = seconds() - ready;
  if (!curve.flush()) throw std::runtime_error("cannot write " + s.curve);

  const network::Dataset test = network::make_dataset(s.rows, test_rows);
  const float accuracy = model.accuracy()({test.images, test.labels})[0].item<float>();
  std::printf("%lld epochs in %.2f s, %.2f ms each; accuracy on other rows %.4f\n",
              static_cast<long long>(s.epochs), took, 1e3 * took / static_cast<double>(s.epochs),
              static_cast<double>(accuracy));
  std::printf("loss of each epoch: %s\n\n", s.curve.c_str());
  std::fflush(stdout);
  examples::report_kernels(std::cout, epoch.functions());
}

} // namespace

int main(int argc, char** argv) {
  try {
    Settings settings;
    if (read_settings(argc, argv, settings)) run(settings);
    return 0;
  } catch (const examples::BadArgument& e) {
    std::cerr << "network: " << e.what() << '\n';
    return 2;
  } catch (const std::exception& e) {
    std::cerr << "network: " << e.what() << '\n';
    return 1;
  }
}
