#pragma once
/// A small network for classification, and the function that trains it: 16 inputs, two hidden
/// layers of 30 units (tanh, then dropout), 10 classes (softmax, cross-entropy), RMSProp. It is the
/// network of "Runtime tests with TensorFlow and Theano in Python".
///
///   network::Model model(network::start_values(1));
///   kt::Function train = model.step();           // (f32[batch,16], i32[batch]) → mean loss
///   float loss = train({x, y})[0].item<float>();
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <kroton/core.hpp>

namespace network {

namespace kt = kroton;

inline constexpr std::array<std::int64_t, 4> widths = {16, 30, 30, 10};
inline constexpr std::int64_t features = widths.front(), classes = widths.back();

struct Settings {
  /// The share of each hidden layer's outputs that a step drops; the others are scaled up.
  std::array<double, 2> drop = {0.001, 0.01};
  /// RMSProp (Hinton 2012): s ← decay s + (1 - decay) g², w ← w - rate g / (√s + epsilon).
  float rate = 0.001F, decay = 0.9F, epsilon = 1e-8F;
};

/// A number in [0, 1) for position `i` of stream `stream`: SplitMix64 (Steele, Lea, Flood 2014), so
/// that other languages can make the same.
inline double uniform(std::uint64_t i, std::uint64_t stream) {
  std::uint64_t z = (stream << 40) + (i + 1) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/// Weights to start from, w1, b1, w2, b2, w3, b3: uniform within ±√(6 / (inputs + outputs)) (Glorot
/// and Bengio 2010), biases 0.
inline std::vector<kt::Array> start_values(std::uint64_t seed) {
  std::vector<kt::Array> values;
  for (std::size_t layer = 0; layer + 1 < widths.size(); ++layer) {
    const std::int64_t in = widths[layer], out = widths[layer + 1];
    const double spread = std::sqrt(6.0 / static_cast<double>(in + out));
    kt::Array w = kt::Array::empty<float>({in, out});
    for (std::int64_t i = 0; i < w.numel(); ++i)
      w.data<float>()[i] = static_cast<float>(
          spread * (2 * uniform(static_cast<std::uint64_t>(i), 3 * seed + layer) - 1));
    values.push_back(w);
    values.push_back(kt::Array::zeros<float>({out}));
  }
  return values;
}

/// A function that trains, as it is compiled.
struct Training {
  std::vector<kt::Expr> inputs;
  kt::Expr loss;
  kt::Options options; ///< with the updates

  kt::Function compile() const { return kt::function(inputs, loss, options); }
};

class Model {
public:
  explicit Model(const std::vector<kt::Array>& start, const Settings& settings = {})
      : settings_(settings), random_(7) {
    for (std::size_t i = 0; i < start.size(); ++i) {
      const std::string name = (i % 2 ? "b" : "w") + std::to_string(i / 2 + 1);
      weights_.push_back(kt::shared(start[i], name));
      squares_.push_back(
          kt::shared(kt::Array::zeros(kt::DType::f32, start[i].shape()), name + " squares"));
    }
  }

  /// (x f32[batch,16], y i32[batch]) → the mean loss before the step; any batch.
  Training training(kt::Options options = {}) {
    auto x = kt::tensor<float>({kt::dim("batch"), features}, "x");
    auto y = kt::tensor<std::int32_t>({kt::dim("batch")}, "y");
    return training({x, y}, loss(x, y), std::move(options));
  }
  kt::Function step(kt::Options options = {}) { return training(std::move(options)).compile(); }

  /// (first i64) → the mean loss of a step on rows first … first + rows - 1 of data that is in
  /// shared variables, f32[?,16] and i32[?].
  kt::Function step_on(const kt::Shared& images, const kt::Shared& labels, std::int64_t rows,
                       kt::Options options = {}) {
    auto first = kt::scalar<std::int64_t>("first");
    auto batch = first + kt::arange(rows);
    return training({first}, loss(kt::index(images, {batch}), kt::index(labels, {batch})),
                    std::move(options))
        .compile();
  }

  /// (x f32[batch,16], y i32[batch]) → the share of rows whose most likely class is y.
  kt::Function accuracy(kt::Options options = {}) const {
    auto x = kt::tensor<float>({kt::dim("batch"), features}, "x");
    auto y = kt::tensor<std::int32_t>({kt::dim("batch")}, "y");
    kt::Expr h = x;
    for (std::size_t layer = 0; layer < 2; ++layer) h = kt::tanh(scores(h, layer));
    options.name = "accuracy";
    return kt::function({x, y}, kt::mean(kt::cast<float>(kt::argmax(scores(h, 2), 1) == y)),
                        options);
  }

  /// w1, b1, w2, b2, w3, b3, and RMSProp's means of squares in the same order.
  const std::vector<kt::Shared>& weights() const { return weights_; }
  const std::vector<kt::Shared>& squares() const { return squares_; }

private:
  kt::Expr scores(const kt::Expr& h, std::size_t layer) const {
    return kt::dot(h, weights_[2 * layer]) + weights_[2 * layer + 1];
  }

  kt::Expr loss(const kt::Expr& x, const kt::Expr& y) {
    kt::Expr h = x;
    for (std::size_t layer = 0; layer < 2; ++layer) {
      h = kt::tanh(scores(h, layer));
      const double keep = 1 - settings_.drop[layer];
      if (keep < 1) h = h * random_.bernoulli(keep, h.shape(), kt::DType::f32) * (1 / keep);
    }
    return -kt::mean(kt::index(kt::log_softmax(scores(h, 2)), {kt::arange(y.dim(0)), y}));
  }

  Training training(std::vector<kt::Expr> inputs, const kt::Expr& loss, kt::Options options) {
    const std::vector<kt::Expr> gradients = kt::grad(loss, {weights_.begin(), weights_.end()});
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      auto square =
          settings_.decay * squares_[i] + (1 - settings_.decay) * gradients[i] * gradients[i];
      options.updates.emplace_back(squares_[i], square);
      options.updates.emplace_back(weights_[i],
                                   weights_[i] - settings_.rate * gradients[i] /
                                                     (kt::sqrt(square) + settings_.epsilon));
    }
    options.name = "network";
    return {std::move(inputs), loss, std::move(options)};
  }

  Settings settings_;
  kt::Random random_;
  std::vector<kt::Shared> weights_, squares_;
};

} // namespace network
