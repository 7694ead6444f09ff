#pragma once
/// A data set that is made, not collected: 20 clouds of points in 16 dimensions, two for each of 10
/// classes, so that classes are no convex sets. Every row is a function of its number.
///
///   network::Dataset data = network::make_dataset(0, 107546);
#include "examples/network/model.hpp"

namespace network {

struct Dataset {
  kt::Array images; ///< f32[rows,16]
  kt::Array labels; ///< i32[rows], 0 … 9
};

/// Rows first … first + rows - 1. Centres are uniform in [-1, 1)^16; a point's distance from its
/// centre is, in each dimension, the sum of four uniform numbers with a standard deviation of 0.7.
inline Dataset make_dataset(std::int64_t first, std::int64_t rows) {
  constexpr std::uint64_t clouds = 2 * classes, centre_stream = 100, cloud_stream = 101,
                          noise_stream = 102;
  constexpr double spread = 0.7 * 1.7320508075688772; // the sum of four has a variance of 1/3
  Dataset data{kt::Array::empty<float>({rows, features}), kt::Array::empty<std::int32_t>({rows})};
  float* x = data.images.data<float>();
  std::int32_t* y = data.labels.data<std::int32_t>();
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto row = static_cast<std::uint64_t>(first + r);
    const auto cloud =
        static_cast<std::uint64_t>(static_cast<double>(clouds) * uniform(row, cloud_stream));
    y[r] = static_cast<std::int32_t>(cloud % classes);
    for (std::uint64_t j = 0; j < features; ++j) {
      double noise = -2;
      for (std::uint64_t k = 0; k < 4; ++k)
        noise += uniform(4 * (row * features + j) + k, noise_stream);
      const double centre = 2 * uniform(cloud * features + j, centre_stream) - 1;
      *x++ = static_cast<float>(centre + spread * noise);
    }
  }
  return data;
}

} // namespace network
