/// Clusters by Lloyd's algorithm: each point goes to the nearest centre, each centre to the mean of
/// its points. A step is one compiled function that leaves the centres in a shared variable.
#include <cstdio>
#include <exception>
#include <iostream>
#include <vector>

#include <kroton/kroton.hpp>

namespace kt = kroton;

namespace {

constexpr std::int64_t clusters = 4, points_each = 500;

void run() {
  auto points = kt::matrix<float>("points");
  // Points around the corners of a square of side 6.
  kt::Random random(3);
  auto spread = random.normal({clusters * points_each, 2}, kt::DType::f32, 0, 1);
  auto corner = kt::floor_div(kt::arange(clusters * points_each), points_each);
  auto x = kt::cast<float>(kt::mod(corner, 2)), y = kt::cast<float>(kt::floor_div(corner, 2));
  auto corners = 6.f * kt::where(kt::arange(2) == 0, kt::expand_dims(x, 1), kt::expand_dims(y, 1));
  const kt::Array data = kt::function({}, corners + spread)({})[0];

  auto centres =
      kt::shared(kt::Array::from<float>({2, 1, 3, 1, 2, 4, 4, 5}, {clusters, 2}), "centres");
  auto apart = kt::expand_dims(points, 1) - kt::expand_dims(centres, 0); // f32[n, clusters, 2]
  auto distance = kt::sum(apart * apart, 2);
  auto nearest = kt::argmin(distance, 1);
  auto sums = kt::index_add({clusters, 2}, {nearest}, points);
  auto counts = kt::index_add({clusters}, {nearest}, kt::where(nearest >= 0, 1.f, 0.f));
  const auto step =
      kt::function({points}, {kt::mean(kt::min(distance, 1)), counts},
                   {.updates = {{centres, sums / kt::expand_dims(counts, 1)}}, .name = "step"});

  float before = 0;
  for (int i = 1; i <= 100; ++i) {
    const float inertia = step(data)[0].item<float>();
    if (i > 1 && before - inertia < 1e-6f * before) {
      std::printf("mean squared distance %.2f\n", static_cast<double>(inertia));
      break;
    }
    before = inertia;
  }
  const auto counts_now = step(data)[1].to_vector<float>();
  const auto c = centres.get().to_vector<float>();
  for (std::size_t k = 0; k < clusters; ++k)
    std::printf("centre %5.2f %5.2f of %3.0f points\n", static_cast<double>(c[2 * k]),
                static_cast<double>(c[2 * k + 1]), static_cast<double>(counts_now[k]));
}

} // namespace

int main() {
  try {
    run();
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "k_means: " << e.what() << '\n';
    return 1;
  }
}

// prints:
// mean squared distance 2.03
// centre -0.04  0.04 of 499 points
// centre  6.01 -0.09 of 499 points
// centre  0.04  5.94 of 502 points
// centre  6.04  5.99 of 500 points
