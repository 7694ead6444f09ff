/// The network 16-30-30-10 with dropout and RMSProp: small products, many small steps between them.
#include "bench/inputs.hpp"
#include "bench/limit/limit.hpp"
#include "bench/settle.hpp"
#include "bench/suites/suites.hpp"
#include "examples/network/model.hpp"

#include <memory>

#include <fmt/format.h>

namespace bench {
namespace {

namespace kt = kroton;

/// The hand-written step with the memory it works on.
class ByHand {
public:
  explicit ByHand(const std::vector<kt::Array>& start, const std::array<double, 2>& drop)
      : start_(start) {
    const network::Settings settings;
    step_ = {.rows = 0,
             .x = nullptr,
             .labels = nullptr,
             .drop = {static_cast<float>(drop[0]), static_cast<float>(drop[1])},
             .rate = settings.rate,
             .decay = settings.decay,
             .epsilon = settings.epsilon,
             .weights = weights_.get(),
             .squares = squares_.get(),
             .steps = &steps_,
             .loss = &loss_};
    reset();
  }

  void reset() {
    *weights_ = {};
    *squares_ = {};
    fill(weights_->w1, start_[0]);
    fill(weights_->w2, start_[2]);
    fill(weights_->w3, start_[4]);
  }

  float run(std::int64_t rows, const float* x, const std::int32_t* y) {
    step_.rows = rows;
    step_.x = x;
    step_.labels = y;
    limits()->network_step(step_);
    return loss_;
  }

  /// w1, w2 and w3 as they are now, without padding.
  std::vector<kt::Array> weights() const {
    return {dense(weights_->w1, network::widths[1]), dense(weights_->w2, network::widths[2]),
            dense(weights_->w3, network::widths[3])};
  }

private:
  template <std::size_t Rows, std::size_t Columns>
  static void fill(float (&to)[Rows][Columns], const kt::Array& from) {
    const auto columns = static_cast<std::size_t>(from.dim(1));
    for (std::size_t i = 0; i < Rows; ++i)
      std::copy_n(from.data<const float>() + i * columns, columns, to[i]);
  }
  template <std::size_t Rows, std::size_t Columns>
  static kt::Array dense(const float (&from)[Rows][Columns], std::int64_t columns) {
    kt::Array to = kt::Array::empty<float>({Rows, columns});
    for (std::size_t i = 0; i < Rows; ++i)
      std::copy_n(from[i], columns, to.data<float>() + i * static_cast<std::size_t>(columns));
    return to;
  }

  std::vector<kt::Array> start_;
  std::unique_ptr<NetworkWeights> weights_ = std::make_unique<NetworkWeights>(),
                                  squares_ = std::make_unique<NetworkWeights>();
  std::uint64_t steps_ = 0;
  float loss_ = 0;
  NetworkStep step_;
};

/// A step without dropout gives the same loss and weights as the hand-written one.
void check_step(const std::vector<kt::Array>& start, const kt::Array& x, const kt::Array& y) {
  network::Settings settings;
  settings.drop = {0, 0};
  network::Model model(start, settings);
  const kt::Array loss =
      model.step({.threads = 1, .specialize = kt::Specialize::immediately})({x, y})[0];
  ByHand by_hand(start, settings.drop);
  const float limit = by_hand.run(x.dim(0), x.data<const float>(), y.data<const std::int32_t>());
  require_close("network step, loss", loss, kt::Array::scalar(limit), 1e-5, 0);
  const std::vector<kt::Array> weights = by_hand.weights();
  for (std::size_t i = 0; i < weights.size(); ++i)
    require_close(fmt::format("network step, w{}", i + 1), model.weights()[2 * i].get(), weights[i],
                  1e-3, 1e-4);
}

void restart(network::Model& model, const std::vector<kt::Array>& start) {
  for (std::size_t i = 0; i < start.size(); ++i) {
    kt::Shared w = model.weights()[i], s = model.squares()[i];
    w.set(start[i]);
    s.set(kt::Array::zeros<float>(start[i].shape()));
  }
}

Prepared network_step(const Setting& setting, std::int64_t rows, double of_limit) {
  const std::vector<kt::Array> start = network::start_values(1);
  const kt::Array x = inputs<float>({rows, network::features}, 1),
                  y = labels(rows, network::classes, 2);
  if (limits()) check_step(start, x, y);

  Prepared prepared;
  for (const auto& [name, specialize] : {std::pair{"kroton", kt::Specialize::automatic},
                                         {"kroton, any size", kt::Specialize::off}}) {
    auto model = std::make_shared<network::Model>(start);
    const kt::Function step = model->step({.threads = setting.threads, .specialize = specialize});
    const std::vector<kt::Array> arguments = {x, y}, outputs = {kt::Array::zeros<float>({})};
    if (specialize != kt::Specialize::off) settle(step, arguments, outputs);
    prepared.systems.push_back(
        {.name = name,
         .time = repeat([=] { step.call_into(arguments, outputs); }),
         .before_round = [=] { restart(*model, start); },
         .bound = specialize == kt::Specialize::off ? Bound{} : Bound{.of_limit = of_limit}});
  }
  if (limits()) {
    auto by_hand = std::make_shared<ByHand>(start, network::Settings().drop);
    prepared.systems.push_back({.name = "limit",
                                .time = repeat([=] {
                                  by_hand->run(rows, x.data<const float>(),
                                               y.data<const std::int32_t>());
                                }),
                                .before_round = [=] { by_hand->reset(); }});
  }
  return prepared;
}

/// All rows once, in batches of 32 and a smaller last one. The functions hold the data and take
/// their rows themselves.
Prepared network_epoch(const Setting& setting) {
  constexpr std::int64_t rows = 107546, batch = 32, rest = rows % batch;
  const std::vector<kt::Array> start = network::start_values(1);
  const kt::Array x = inputs<float>({rows, network::features}, 1),
                  y = labels(rows, network::classes, 2);

  Prepared prepared;
  auto model = std::make_shared<network::Model>(start);
  const kt::Shared images = kt::shared(x, "images"), classes = kt::shared(y, "labels");
  const kt::Function step = model->step_on(images, classes, batch, {.threads = setting.threads}),
                     last = model->step_on(images, classes, rest, {.threads = setting.threads});
  const kt::Array loss = kt::Array::zeros<float>({}), first = kt::Array::scalar(std::int64_t{0});
  prepared.systems.push_back(
      {.name = "kroton",
       .time = repeat([=, arguments = std::vector{first}, outputs = std::vector{loss}]() mutable {
         std::int64_t& at = *arguments[0].data<std::int64_t>();
         for (at = 0; at + batch <= rows; at += batch) step.call_into(arguments, outputs);
         last.call_into(arguments, outputs);
       }),
       .before_round = [=] { restart(*model, start); },
       .bound = {.ns = 18e6}});
  if (limits()) {
    auto by_hand = std::make_shared<ByHand>(start, network::Settings().drop);
    prepared.systems.push_back({.name = "limit",
                                .time = repeat([=] {
                                  const auto* xs = x.data<const float>();
                                  const auto* ys = y.data<const std::int32_t>();
                                  for (std::int64_t at = 0; at < rows; at += batch)
                                    by_hand->run(std::min(batch, rows - at),
                                                 xs + at * network::features, ys + at);
                                }),
                                .before_round = [=] { by_hand->reset(); }});
  }
  return prepared;
}

} // namespace

void add_network_cases(std::vector<Case>& cases) {
  for (const auto& [rows, of_limit] : {std::pair{32, 1.6}, {128, 1.5}, {1024, 1.4}})
    cases.push_back({"network", "network step f32", fmt::format("{}", rows),
                     [=](const Setting& s) { return network_step(s, rows, of_limit); }});
  cases.push_back({"network", "network epoch f32", "107546", network_epoch});
}

} // namespace bench
