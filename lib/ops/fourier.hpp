#pragma once
/// The row of Fourier transforms.
#include "lib/ir/op.hpp"

namespace kroton::ops {

/// fourier-transform: re [..., n], im [..., n] -> [..., 2, n]: the real parts of the sums of
/// x[j] exp(-2 pi i j k / n), then the imaginary ones; the opposite sign if inverse. Never scaled.
extern const ir::Op fourier_transform;

struct FourierParams {
  bool is_inverse = false;

  static constexpr std::string_view params_name = "fourier";
  static constexpr auto fields = std::tuple{ir::field("inverse", &FourierParams::is_inverse)};
};

} // namespace kroton::ops
