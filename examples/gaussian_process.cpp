/// Regression by a Gaussian process (Rasmussen and Williams 2006, algorithm 2.1): the
/// hyperparameters are learnt from the gradient of the log marginal likelihood, which goes through
/// a Cholesky factor.
#include <cmath>
#include <cstdio>
#include <exception>
#include <iostream>
#include <numbers>
#include <vector>

#include <kroton/kroton.hpp>

namespace kt = kroton;

namespace {

/// The covariance of two sets of points: a squared exponential.
kt::Expr covariance(const kt::Expr& a, const kt::Expr& b, const kt::Expr& length,
                    const kt::Expr& scale) {
  auto d = (kt::expand_dims(a, 1) - kt::expand_dims(b, 0)) / length;
  return scale * scale * kt::exp(-0.5 * d * d);
}

void run() {
  auto x = kt::vector<double>("x"), y = kt::vector<double>("y"), at = kt::vector<double>("at");
  // Logarithms of length, scale and noise, so that all of them are positive.
  auto theta = kt::shared(kt::Array::from<double>({0, 0, -1}), "theta");
  auto length = kt::exp(theta[0]), scale = kt::exp(theta[1]), noise = kt::exp(theta[2]);

  auto n = kt::arange(x.dim(0));
  auto identity = kt::cast<double>(kt::expand_dims(n, 1) == kt::expand_dims(n, 0));
  auto factor = kt::cholesky(covariance(x, x, length, scale) + noise * noise * identity);
  auto whitened = kt::solve_triangular(factor, y, {.lower = true});
  auto log_likelihood = -0.5 * kt::sum(whitened * whitened) -
                        kt::sum(kt::log(kt::index(factor, {n, n}))) -
                        0.5 * std::log(2 * std::numbers::pi) * kt::cast<double>(x.dim(0));
  auto slope = kt::grad(log_likelihood, theta);

  // Ascent with momentum; a step is no longer than 0.1.
  auto speed = kt::shared(kt::Array::zeros<double>({3}), "speed");
  auto next = 0.9 * speed + 0.02 * slope / (1.0 + kt::sqrt(kt::sum(slope * slope)));
  const auto learn =
      kt::function({x, y}, {log_likelihood, slope},
                   {.updates = {{speed, next}, {theta, theta + next}}, .name = "learn"});
  auto reach = kt::solve_triangular(factor, covariance(x, at, length, scale), {.lower = true});
  const auto predict = kt::function({x, y, at},
                                    {kt::dot(kt::transpose(reach), whitened),
                                     kt::sqrt(scale * scale - kt::sum(reach * reach, 0))},
                                    {.name = "predict"});

  // A noisy wave, with nothing known of it between 2.5 and 4.
  std::vector<double> xs, ys;
  std::uint32_t state = 1;
  for (int i = 0; i < 60; ++i) {
    const double p = 8.0 * i / 60;
    if (p > 2.5 && p < 4) continue;
    double jitter = 0; // a sum of four even numbers is normal enough
    for (int k = 0; k < 4; ++k) {
      state = state * 1664525u + 1013904223u;
      jitter += static_cast<double>(state >> 8) / (1 << 24) - 0.5;
    }
    xs.push_back(p);
    ys.push_back(std::sin(2 * p) + 0.1 * std::sqrt(3.0) * jitter);
  }
  const kt::Array points = kt::Array::from(xs), values = kt::Array::from(ys);
  for (int step = 0; step <= 300; ++step) {
    const auto r = learn(points, values);
    if (step % 100 == 0)
      std::printf("step %3d  log likelihood %7.2f  slope of log length %7.2f\n", step,
                  r[0].item<double>(), r[1].to_vector<double>()[0]);
  }
  const auto t = theta.get().to_vector<double>();
  std::printf("length %.2f, scale %.2f, noise %.3f\n", std::exp(t[0]), std::exp(t[1]),
              std::exp(t[2]));

  const auto where = kt::Array::from<double>({1, 3.25, 5});
  const auto p = predict(points, values, where);
  for (std::int64_t i = 0; i < where.numel(); ++i) {
    const auto of = [&](const kt::Array& a) {
      return a.to_vector<double>()[static_cast<std::size_t>(i)];
    };
    std::printf("f(%.2f) = %6.3f +- %.3f   (in truth %6.3f)\n", of(where), of(p[0]), of(p[1]),
                std::sin(2 * of(where)));
  }
}

} // namespace

int main() {
  try {
    run();
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "gaussian_process: " << e.what() << '\n';
    return 1;
  }
}

// prints:
// step   0  log likelihood  -17.77  slope of log length  -10.46
// ...
// step 300  log likelihood   11.84  slope of log length ...0.00
// length 0.84, scale 0.93, noise 0.110
// f(1.00) =  0.950 +- 0.049   (in truth  0.909)
// f(3.25) =  0.479 +- 0.285   (in truth  0.215)
// f(5.00) = -0.555 +- 0.048   (in truth -0.544)
