/// Prices of European options by the formula of Black and Scholes (1973), and how they change with
/// the market: the greeks are gradients of the price, none of them is written down.
#include <cmath>
#include <cstdio>
#include <exception>
#include <iostream>
#include <numbers>

#include <kroton/kroton.hpp>

namespace kt = kroton;

namespace {

/// The normal distribution's cumulative function, accurate in both tails.
kt::Expr normal_cdf(const kt::Expr& x) { return 0.5 * kt::erfc(x * -std::numbers::sqrt2 / 2); }

void run() {
  auto spot = kt::vector<double>("spot"), strike = kt::vector<double>("strike"),
       volatility = kt::vector<double>("volatility"), years = kt::vector<double>("years"),
       rate = kt::scalar<double>("rate");

  auto spread = volatility * kt::sqrt(years);
  auto d1 = (kt::log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / spread;
  auto discounted = strike * kt::exp(-rate * years);
  auto call = spot * normal_cdf(d1) - discounted * normal_cdf(d1 - spread);
  auto put = call - spot + discounted; // what is paid at the end differs by spot - strike

  // Prices of different options do not depend on each other, so the gradient of their sum has the
  // greeks of each.
  auto greeks = kt::grad(kt::sum(call), {spot, volatility, years});
  auto gamma = kt::grad(kt::sum(greeks[0]), spot);
  const auto price =
      kt::function({spot, strike, volatility, years, rate},
                   {call, put, greeks[0], gamma, greeks[1], greeks[2]}, {.name = "price"});

  const auto spots = kt::Array::from<double>({42, 100, 100}),
             strikes = kt::Array::from<double>({40, 100, 120}),
             volatilities = kt::Array::from<double>({0.2, 0.3, 0.3}),
             times = kt::Array::from<double>({0.5, 1, 1});
  const auto r = price(spots, strikes, volatilities, times, 0.1);
  std::puts("  spot  strike     call      put    delta    gamma     vega    theta");
  for (std::int64_t i = 0; i < spots.numel(); ++i) {
    const auto at = [&](const kt::Array& a) {
      return a.to_vector<double>()[static_cast<std::size_t>(i)];
    };
    std::printf("%6.1f  %6.1f %8.4f %8.4f %8.4f %8.4f %8.4f %8.4f\n", at(spots), at(strikes),
                at(r[0]), at(r[1]), at(r[2]), at(r[3]), at(r[4]), -at(r[5]));
  }
}

} // namespace

int main() {
  try {
    run();
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "black_scholes: " << e.what() << '\n';
    return 1;
  }
}

// prints:
//   spot  strike     call      put    delta    gamma     vega    theta
//   42.0    40.0   4.7594   0.8086   0.7791   0.0500   8.8134  -4.5591
//  100.0   100.0  16.7341   7.2179   0.6856   0.0118  35.4962 -10.5067
//  100.0   120.0   8.6063  17.1868   0.4505   0.0132  39.5867  -9.5823
